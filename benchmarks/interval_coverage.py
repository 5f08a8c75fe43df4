"""Simulate how often 95 % bootstrap intervals hold the true value, drawn from all pairs and by Hoeffding's decomposition.

The images of P and of S are normal, or of two normal kinds of which one in five is 2.5 times as wide, so that true mean
distances are known in closed form. Each trial draws both sets anew and computes both kinds of intervals from the same
resamples. An energy's interval is that of a V-statistic, which lies above the true energy by (1/n) E d(p, p') +
(1/m) E d(s, s'): it is judged by that.

--groups simulates images of groups instead (scenes, patients, clips) whose features, and performances, are correlated within a
group by 0, 0.5 and 0.9: intervals and p-values by groups beside those that take images as independent, of distances, of the
permutation test and of single images under "no difference", and of certificates for the site and for further groups.

--alarms simulates the alarm of `howfar check` on years of such batches instead, without harm: how often it is ever raised, by
groups and by images.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from record import leave, parser
from scipy.special import gammaln, hyp1f1, ndtr

from howfar.distances import image_to_dataset
from howfar.distances.mean_distances import leave_one_out
from howfar.pipeline import distance_bootstrap
from howfar.pipeline.distance_bootstrap import DistanceDraws, PairGroups, Resamples, RowSums
from howfar.pipeline.permutation_tests import permutation_p_value
from howfar.projection import Projection
from howfar.results.check_result import CheckedDataset, LogRow
from howfar.sampling import draw, further_groups, mean, order, plan_zone, sequence, zone_tests
from howfar.significance import interval, p_values
from howfar.studies.check.log_and_alarm import read_alarm
from howfar.studies.check.rules import AlarmRule

WIDE = 1.2
KINDS = {"normal": ((1.0, 1.0),), "two kinds": ((0.8, 0.8), (0.2, 2.0))}
METHODS = {"all pairs": 1 << 62, "decomposition": 0}
Rows = NDArray[np.float64]


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--trials", type=int, default=1000)
    options.add_argument("--draws", type=int, default=500)
    options.add_argument("--sizes", type=int, nargs="+", default=(40, 100, 250), help="images of P; S has four fifths of them")
    options.add_argument("--dimensions", type=int, nargs="+", default=(2, 25))
    options.add_argument("--shift", type=float, default=2.0)
    options.add_argument("--groups", type=int, nargs="+", default=(), help="groups of P and of S; nothing else is simulated")
    options.add_argument("--each", type=int, default=8, help="images of a group")
    options.add_argument("--alarms", type=int, default=0, help="batches of a year; nothing but the alarm is simulated")
    arguments = options.parse_args()
    given = {name: getattr(arguments, name) for name in ("trials", "draws", "shift")}
    if arguments.groups:
        cases = list(product(arguments.groups, CORRELATIONS))
        if arguments.alarms:
            raised = [{"groups": count, "correlation": rho, **of_alarms(count, rho, arguments)} for count, rho in cases]
            sizes = {name: getattr(arguments, name) for name in ("trials", "each", "alarms")}
            leave("group_alarms", {**sizes, "labels": LABELS, "raised": raised}, arguments.json)
            return
        found = [{"groups": count, "correlation": rho, **of_groups(count, rho, arguments)} for count, rho in cases]
        leave("group_coverage", {**given, "each": arguments.each, "coverage": found}, arguments.json)
        return
    rows = [
        {
            "images of P": n,
            "images of S": n * 4 // 5,
            "dimensions": z,
            "images": kind,
            **covered(n, n * 4 // 5, z, kind, arguments),
        }
        for n, z, kind in product(arguments.sizes, arguments.dimensions, KINDS)
    ]
    leave("interval_coverage", {**given, "coverage": rows}, arguments.json)


def covered(n: int, m: int, z: int, kind: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Count the trials whose intervals hold the true value, by method and statistic, and those that were decomposed."""
    trials, draws, shift = arguments.trials, arguments.draws, arguments.shift
    truth, rng = true_values(n, m, z, kind, shift), np.random.default_rng([n, z, len(kind)])
    held = {method: dict.fromkeys(truth, 0) for method in METHODS}
    decomposed = 0
    for trial in range(trials):
        p, s = images(n, z, kind, rng), WIDE * images(m, z, kind, rng) + shift / np.sqrt(z)
        sums, means = RowSums.of(p, s), []
        for method, below in METHODS.items():
            distance_bootstrap.EXACT_BELOW = below
            drawn = DistanceDraws.of(p, s, sums, Resamples.drawn(n, m, draws, np.random.default_rng(trial)))
            means.append(drawn.between)
            intervals = interval(drawn.between), drawn.relative_ci(), drawn.energy_ci()
            for (name, value), found in zip(truth.items(), intervals, strict=True):
                held[method][name] += found is not None and found[0] <= value <= found[1]
        decomposed += bool((means[0] != means[1]).any())
    shares = {method: {name: count / trials for name, count in by.items()} for method, by in held.items()}
    return {**shares, "decomposed": decomposed / trials}


def images(n: int, z: int, kind: str, rng: np.random.Generator) -> Rows:
    chances, widths = zip(*KINDS[kind], strict=True)
    return np.asarray(rng.choice(widths, size=(n, 1), p=chances) * rng.normal(size=(n, z)))


def true_values(n: int, m: int, z: int, kind: str, shift: float) -> dict[str, float]:
    between, own_p, own_s = (
        sum(
            one * other * mean_distance(z, (wide_s * a) ** 2 + (wide_p * b) ** 2, apart)
            for (one, a), (other, b) in product(KINDS[kind], KINDS[kind])
        )
        for wide_s, wide_p, apart in ((WIDE, 1.0, shift), (1.0, 1.0, 0.0), (WIDE, WIDE, 0.0))
    )
    energy = 2 * between - (1 - 1 / n) * own_p - (1 - 1 / m) * own_s
    return {"o_dist": between, "relative": between / own_p, "energy": energy}


def mean_distance(z: int, variance: float, apart: float) -> float:
    """Compute the mean length of a normal vector of z components, of this variance about a point so far from the origin."""
    scale = np.sqrt(2 * variance) * np.exp(gammaln((z + 1) / 2) - gammaln(z / 2))
    return float(scale * hyp1f1(-0.5, z / 2, -(apart**2) / (2 * variance)))


CORRELATIONS = (0.0, 0.5, 0.9)
COMPONENTS, LEVEL, LABELS, SITE = 5, 0.9, 16, 40
CENTRE, SPREAD = 0.6, 1.0
"""Of a performance before it is brought into 0 to 1 by the normal distribution."""
ALPHA = 0.05
REFERENCE = 20
"""Labelled batches before those that the alarm judges."""


def of_groups(count: int, rho: float, arguments: argparse.Namespace) -> dict[str, Any]:
    """Simulate P and S of `count` groups each: coverage, false rejections and certificates, by groups and by images."""
    rng = np.random.default_rng([count, round(10 * rho), arguments.each])
    distances = of_distances(count, rho, arguments, rng)
    null = of_null(count, rho, arguments, rng)
    return {"distances": distances, "under the null": null, "certificates": of_certificates(count, rho, arguments, rng)}


def grouped(count: int, each: int, rho: float, rng: np.random.Generator, z: int = COMPONENTS) -> Rows:
    """Draw normal images of variance 1, `each` in a group, of which two of a group correlate by rho."""
    shared = np.repeat(rng.normal(size=(count, z)), each, axis=0)
    return np.asarray(np.sqrt(rho) * shared + np.sqrt(1 - rho) * rng.normal(size=(count * each, z)))


def of_distances(count: int, rho: float, arguments: argparse.Namespace, rng: np.random.Generator) -> dict[str, Any]:
    """Count the trials whose 95 % intervals hold the true value, and their mean width."""
    each, z, n = arguments.each, COMPONENTS, count * arguments.each
    numbers = np.repeat(np.arange(count), each)
    between, own = mean_distance(z, WIDE**2 + 1, arguments.shift), mean_distance(z, 2.0, 0.0)
    inside, near = (each - 1) / n, mean_distance(z, 2.0 * (1 - rho), 0.0) if rho < 1 else 0.0
    # Of all pairs within a set 1/n are an image with itself, and some are of one group.
    all_pairs = (1 + WIDE) * (own * (1 - each / n) + near * inside)
    truth = {"o_dist": between, "relative": between / own, "energy": 2 * between - all_pairs}
    known: dict[str, PairGroups | None] = {"groups": PairGroups(numbers, numbers), "images": None}
    held = {how: {name: [0, 0.0] for name in truth} for how in known}
    for trial in range(arguments.trials):
        p, s = grouped(count, each, rho, rng), WIDE * grouped(count, each, rho, rng) + arguments.shift / np.sqrt(z)
        sums = RowSums.of(p, s)
        for how, groups in known.items():
            drawn = Resamples.drawn(n, n, arguments.draws, np.random.default_rng(trial), groups=groups)
            draws = DistanceDraws.of(p, s, sums, drawn)
            intervals = draws.between_ci(), draws.relative_ci(), draws.energy_ci()
            for (name, value), ends in zip(truth.items(), intervals, strict=True):
                low, high = ends or (np.nan, np.nan)
                held[how][name][0] += low <= value <= high
                held[how][name][1] += high - low
    trials = arguments.trials
    return {
        how: {name: {"held": hits / trials, "width": width / trials} for name, (hits, width) in by.items()}
        for how, by in held.items()
    }


def of_null(count: int, rho: float, arguments: argparse.Namespace, rng: np.random.Generator) -> dict[str, Any]:
    """Count false rejections at 5 %: of the permutation test where S is like P, and of an image of a new group."""
    each, numbers = arguments.each, np.repeat(np.arange(count), arguments.each)
    alone = np.arange(count * each)
    # S of single images beside a P of groups, and groups in both.
    known = {"groups": (numbers, numbers), "images": None, "groups of P alone": (numbers, alone)}
    rejected, flagged = dict.fromkeys(known, 0), {"groups": 0.0, "images": 0.0}
    for trial in range(arguments.trials):
        p, new = grouped(count, each, rho, rng), grouped(count, each, rho, rng)
        for how, groups in known.items():
            s = grouped(count * each, 1, 0.0, rng) if how == "groups of P alone" else new
            pair = Projection(p, s, np.ones(COMPONENTS))
            value = permutation_p_value(pair, 199, (trial,), None if groups is None else PairGroups(*groups))
            rejected[how] += value <= ALPHA
        distance = image_to_dataset(new, p)
        by_group = p_values(distance, leave_one_out(p, groups=numbers), numbers)
        flagged["groups"] += float((by_group <= ALPHA).mean())
        flagged["images"] += float((p_values(distance, leave_one_out(p)) <= ALPHA).mean())
    shares = ({how: hits / arguments.trials for how, hits in of.items()} for of in (rejected, flagged))
    return dict(zip(("permutation", "images beyond"), shares, strict=True))


def of_certificates(count: int, rho: float, arguments: argparse.Namespace, rng: np.random.Generator) -> dict[str, Any]:
    """Count certificates that hold at 90 %: of a site's own mean by each design, and of the mean of further groups."""
    each, trials, m = arguments.each, arguments.trials, count * arguments.each
    numbers = np.repeat(np.arange(count), each)
    names = (
        "mean, spread over groups",
        "mean, by images",
        "at any time",
        "zone",
        "further groups",
        "further groups, by images",
    )
    held, widths = dict.fromkeys(names, 0), dict.fromkeys(names, 0.0)
    expected = float(ndtr(CENTRE / np.sqrt(1 + SPREAD**2)))
    for trial in range(trials):
        hidden = CENTRE + SPREAD * grouped(count, each, rho, rng, 1)[:, 0]
        truth, proxy = ndtr(hidden), ndtr(hidden + rng.normal(size=m))
        for name, groups in (("mean, spread over groups", numbers), ("mean, by images", None)):
            sample = draw(proxy, LABELS, groups=groups, seed=trial)
            found = mean(truth[sample.indices], proxy, sample, level=LEVEL)
            held[name] += found.low <= truth.mean() <= found.high
            widths[name] += found.high - found.low
            of_all = found if groups is None else further_groups(truth[sample.indices], sample, numbers, level=LEVEL)
            beyond = "further groups, by images" if groups is None else "further groups"
            held[beyond] += of_all.low <= expected <= of_all.high
            widths[beyond] += of_all.high - of_all.low
        places = order(m, seed=trial)[:LABELS]
        known = sequence(truth[places], proxy, places, level=LEVEL)
        held["at any time"] += bool(((known.low <= truth.mean()) & (truth.mean() <= known.high)).all())
        widths["at any time"] += float(known.high[-1] - known.low[-1])
        plan = plan_zone(proxy, SITE, at_least=0.6, wrong=0.2, level=LEVEL, seed=trial)
        tested = replace(plan.zone, tests=zone_tests(plan.zone, truth[plan.images]))
        inside = truth[list(tested.ranking[: tested.certified])]
        held["zone"] += not tested.certified or float((inside < 0.6).mean()) <= 0.2
        widths["zone"] += tested.certified / m
    return {name: {"held": held[name] / trials, "width": widths[name] / trials} for name in names}


def of_alarms(count: int, rho: float, arguments: argparse.Namespace) -> dict[str, Any]:
    """Count years in which the alarm is ever raised at 5 %, though each batch's groups are drawn from the same population.

    The tolerated level is the mean of that population; 16 labels are drawn at random from each batch of `count` groups, and
    as many from each of `REFERENCE` batches before.
    """
    rng, each = np.random.default_rng([count, round(10 * rho), arguments.each, arguments.alarms]), arguments.each
    numbers, level = np.repeat(np.arange(count), each), float(ndtr(CENTRE / np.sqrt(1 + SPREAD**2)))
    raised = {(spread, how): 0 for spread in ("any", "in_control") for how in ("groups", "images")}
    for trial in range(arguments.trials):
        rows = []
        for batch in range(REFERENCE + arguments.alarms):
            hidden = CENTRE + SPREAD * grouped(count, each, rho, rng, 1)[:, 0]
            truth, predicted = ndtr(hidden), ndtr(hidden + rng.normal(size=len(hidden)))
            labelled = rng.choice(len(hidden), min(LABELS, len(hidden)), replace=False)
            columns = (tuple(values[labelled].tolist()) for values in (truth, predicted))
            checked = CheckedDataset("site", len(hidden), 0, 0, 0, 0, float(predicted.mean()))
            measured, known = columns
            checked = replace(checked, measured=measured, predicted=known, groups=tuple(numbers[labelled].tolist()))
            rows.append(LogRow("2026-01-01", "P", f"{trial} {batch}", checked, {}, "pass"))
        for spread, how in raised:
            own = rows if how == "groups" else [replace(row, batch=replace(row.batch, groups=())) for row in rows]
            rule = AlarmRule(at_least=level, spread=spread)
            reading = read_alarm(rule, own[:REFERENCE], own[REFERENCE:])
            raised[spread, how] += reading is not None and reading.raised is not None
    return {f"{spread}, by {how}": hits / arguments.trials for (spread, how), hits in raised.items()}


if __name__ == "__main__":
    main()
