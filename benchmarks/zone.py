"""Draw and label sites again and again: how often is the zone that is certified worse than promised, and how large is it?

Simulated sites (normal performance, and right or wrong as of a classifier; predictions good, noisy, biased, useless and
reversed) and, with --runs, the labelled sites of run folders that `benchmarks/answer.py` left, where the prediction of an
image is that of a judge that has not seen the site's labels. The promise is broken where more than 10 % of the certified
part scores below the limit; with 90 % confidence at most one draw in ten may break it. Beside it the same tests in random
order, without predictions.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from record import leave, parser

import howfar
from howfar.errors import InputError
from howfar.sampling import plan_zone, zone_share, zone_tests

WRONG = 0.1
PREDICTIONS = {"good": (0.08, 0.0), "noisy": (0.2, 0.0), "too high": (0.08, 0.15), "too low": (0.08, -0.15)}
"""Spread and mean of the predictions' errors."""


class Site(NamedTuple):
    """Hold measured and predicted performance of a site's images."""

    name: str
    truth: np.ndarray
    proxy: np.ndarray


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--images", type=int, nargs="+", default=(60, 300, 2000))
    options.add_argument("--labels", type=int, nargs="+", default=(30, 60, 120))
    options.add_argument("--at-least", type=float, nargs="+", default=(0.3, 0.6))
    options.add_argument("--draws", type=int, default=1000)
    options.add_argument("--runs", type=Path, help="folder of run folders")
    arguments = options.parse_args()
    kinds = {"simulated": list(simulated(arguments.images))}
    if arguments.runs is not None:
        kinds["measured"] = list(measured(arguments.runs))
    found = {
        kind: [
            cell(site, limit, k, arguments.draws) for site in sites for limit in arguments.at_least for k in arguments.labels
        ]
        for kind, sites in kinds.items()
    }
    said = {"wrong": WRONG, "draws": arguments.draws}
    leave("zone", {**said, **{kind: {"summary": summary(rows), "cells": rows} for kind, rows in found.items()}}, arguments.json)


def simulated(images: list[int]) -> Iterator[Site]:
    for m in images:
        rng = np.random.default_rng(m)
        for name, mean, deviation in (
            ("most good", 0.8, 0.12),
            ("one in ten bad", 0.75, 0.12),
            ("a third bad", 0.67, 0.15),
            ("most bad", 0.4, 0.2),
        ):
            truth = np.clip(rng.normal(mean, deviation, m), 0, 1)
            for kind, (spread, bias) in PREDICTIONS.items():
                yield Site(f"{m} images, {name}, {kind}", truth, np.clip(truth + bias + rng.normal(0, spread, m), 0, 1))
            yield Site(f"{m} images, {name}, useless", truth, rng.random(m))
            yield Site(f"{m} images, {name}, reversed", truth, 1 - truth)
            yield from classified(f"{m} images, {name}", np.clip(rng.normal(mean, 2 * deviation, m), 0, 1), rng)


def classified(name: str, chance: np.ndarray, rng: np.random.Generator) -> Iterator[Site]:
    """Simulate a classifier that is right with a chance, which it predicts well, too high by 0.15, or reversed."""
    right = (rng.random(len(chance)) < chance).astype(float)
    for kind, predicted in (("good", chance), ("too high", np.clip(chance + 0.15, 0, 1)), ("reversed", 1 - chance)):
        yield Site(f"{name}, classes, {kind}", right, predicted)


def measured(runs: Path) -> Iterator[Site]:
    for run in sorted(runs.glob("*/run")):
        images = howfar.Relation.load(run).images
        for dataset, rows in images.groupby("dataset", sort=False):
            known = rows["performance"].notna() & rows["estimate"].notna()
            if known.sum() >= 20:
                yield Site(
                    f"{run.parent.name}, {dataset}", *(rows[known][name].to_numpy() for name in ("performance", "estimate"))
                )


def cell(site: Site, limit: float, k: int, draws: int) -> dict[str, Any]:
    """Draw a site again and again, with and without its predictions."""
    below = site.truth < limit
    ranked = np.argsort(-site.proxy, kind="stable")
    share = np.cumsum(below[ranked]) / np.arange(1, len(below) + 1)
    within = np.flatnonzero(share <= WRONG)
    sizes, broken, used, planned = certified(site, site.proxy, limit, k, draws)
    unpredicted, broken_too, *_ = certified(site, np.full(len(below), np.nan), limit, k, draws)
    return {
        "site": site.name,
        "images": len(below),
        "at least": limit,
        "labels": k,
        "below": float(below.mean()),
        "largest part that would do": float((within[-1] + 1) / len(below)) if len(within) else 0.0,
        "planned": planned,
        "certified": float(sizes.mean()),
        "broken": broken,
        "labels used": used,
        "certified, without predictions": float(unpredicted.mean()),
        "broken, without predictions": broken_too,
    }


def certified(site: Site, proxy: np.ndarray, limit: float, k: int, draws: int) -> tuple[np.ndarray, float, float, float]:
    """Return the certified share of the site in each draw, how often it was broken, labels used, and the planned share."""
    truth, sizes, broken, used, planned = site.truth, np.zeros(draws), 0, 0, list[float]()
    decisions = 1 if np.isin(truth, (0.0, 1.0)).all() else None
    begin: tuple[int, int] | None = None
    for seed in range(draws):
        try:
            # The plan is chosen anew in one draw of a hundred: choosing it takes long, and reads no label.
            begin = begin if seed % 100 else None
            plan = plan_zone(proxy, min(k, len(truth)), at_least=limit, wrong=WRONG, seed=seed, begin=begin)
        except InputError:
            return sizes, 0.0, 0.0, 0.0
        planned += [zone_share(proxy, plan, decisions=decisions, seed=seed)] if begin is None else []
        begin = (plan.zone.sizes[0], plan.zone.allowed)
        tests = zone_tests(plan.zone, truth[plan.images])
        size = max((test.images for test in tests if test.passed), default=0)
        sizes[seed] = size / len(truth)
        broken += size > 0 and (truth[list(plan.zone.ranking[:size])] < limit).mean() > WRONG
        used += 1 + max(max(plan.zone.reads[number]) for number in range(len(tests)))
    return sizes, broken / draws, used / draws, float(np.mean(planned))


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Summarise all cells, and those in which some part would do."""
    possible = [row for row in rows if row["largest part that would do"] >= 0.2]
    with_it, without = (
        float(np.mean([row[name] for row in possible])) for name in ("certified", "certified, without predictions")
    )
    # howfar certify --plan: the share of the site that so many labels are predicted to certify, before any is made.
    planned, certified_share = (np.array([row[name] for row in possible]) for name in ("planned", "certified"))
    errors = np.abs(planned - certified_share)
    return {
        "cells": len(rows),
        "most often broken": max(row["broken"] for row in rows),
        "most often broken, without predictions": max(row["broken, without predictions"] for row in rows),
        "cells in which a fifth would do": len(possible),
        "certified there": with_it,
        "certified there, without predictions": without,
        "ratio": with_it / without if without else None,
        "error of the planned share in the median": float(np.median(errors)),
        "planned within a third of the certified share": float((errors <= certified_share / 3).mean()),
        "error over the certified share in the median": float(np.median(errors / np.maximum(certified_share, 1 / 20))),
    }


if __name__ == "__main__":
    main()
