"""What is said of numbers at and beside the limits where the words change, kept as texts in ``snapshots/``."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import believable_distances
import believable_identity
from figures.believable_relation import choices_of
from howfar.paper import backbones_and_components_report, person_identity_report
from howfar.report import backbones_report, estimates_report, performance_report, probable_failures
from howfar.report import comparison_sentences as comparison
from howfar.report.section import Context, agreement, ranks
from howfar.results import Comparison, DatasetSummary, Failures, Judgement, PrimarySummary, Relation
from howfar.results.backbones_result import BackboneComparison
from howfar.results.relation_result import DistanceSlice, PerformanceSlice
from snapshots import check

Lines = Iterator[tuple[str, object]]
SYMBOLS = {"roads": "P", "north": "S_1", "south": "S_3", "birds": "S_5", "boats": "S_6"}
P = PrimarySummary("bridges", 200, 3.0)
ROADS = DatasetSummary(
    "roads", 50, 660.0, 3.3, (3.2, 3.4), 0.5, 3.0, 1.1, (1.07, 1.13), 0.4, (0.3, 0.5), 0.001, 0.001, 0.14, 25, 0.6
)  # fmt: skip
FAR = replace(ROADS, name="faces", relative=2.0, relative_ci=(1.9, 2.1))


def of_datasets(six: Comparison, _: Relation) -> Lines:
    changes: list[dict[str, Any]] = [
        {},
        *({"relative_ci": ci} for ci in ((1.0, 1.2), (0.9, 1.0), (0.9, 0.9999), (1.0001, 1.2), None)),
        *({"p_value": p} for p in (0.05, 0.0501, 1.0, 0.0001, None)),
        *({"relative_ci": (0.95, 1.05), "p_value": p} for p in (0.4, 0.001)),
        *({"beyond": share, "n": n} for share, n in ((0.0, 50), (1.0, 50), (0.0004, 5000), (0.9996, 5000), (1.0, 1), (0.0, 1))),
        {"beyond": None},
        {"relative": None, "relative_ci": None, "beyond": None, "p_value": None},
    ]
    for change in changes:
        row = replace(ROADS, **change)
        yield f"{change}", comparison.plain(P, row)
    for n in (18, 19):
        yield f"{n} images in P", comparison.plain(replace(P, n=n), ROADS)


def of_orders(six: Comparison, _: Relation) -> Lines:
    rival = replace(ROADS, name="lanes", relative=1.12, relative_ci=(1.12, 1.15))
    bare = replace(ROADS, relative=None)
    sets = {
        "two": (FAR, ROADS),
        "one": (ROADS,),
        "equal": (ROADS, replace(ROADS, name="other")),
        "overlap of two": (ROADS, rival, FAR),
        "overlap of all": (ROADS, rival),
        "no intervals": (replace(ROADS, relative_ci=None), replace(FAR, relative_ci=None)),
    }
    for name, datasets in sets.items():
        yield name, comparison.lead(replace(six, primary=P, datasets=datasets))
    for n, own in ((1, None), (9, 0.0)):
        primary = PrimarySummary("x", n, own)
        yield f"self-distance {own} of {n}", comparison.lead(replace(six, primary=primary, datasets=(bare,)))
    orders = [(rho, 6) for rho in (1.0, 0.7, 0.69, 0.3, 0.29, -0.29, -0.3)]
    for rho, count in (*orders, (1.0, 2), (-1.0, 2), (None, 1)):
        yield f"rho {rho} of {count}", agreement(rho, count)
    views = {"pixels": {"a": 0.5, "b": 0.9}, "moments": {"a": 3.0, "b": 1.0}}
    yield "the same farthest", comparison.same_farthest({"a": 1.0, "b": 2.0}, views)
    cases: list[tuple[dict[str, float | None], int, list[str]]] = [
        ({"pixels": 0.9, "moments": 0.1}, 6, []),
        ({"pixels": 0.9, "moments": 0.7}, 6, []),
        ({"pixels": 0.69}, 6, []),
        ({"pixels": 0.69}, 6, ["pixels"]),
        ({"pixels": None}, 6, []),
        ({"pixels": 1.0}, 2, ["pixels"]),
        ({}, 6, []),
    ]
    for rhos, count, also in cases:
        yield f"{rhos} of {count}, {also}", comparison.trivial_verdict(rhos, count, "faces", also)
    a, b, c = (
        replace(ROADS, name=name, o_dist_mean=raw, relative=rel) for name, raw, rel in [("a", 1, 2), ("b", 2, 1), ("c", 3, 3)]
    )
    for datasets in ((a, b, c), (a, c)):
        yield "ranks changed", comparison.rank_changes(replace(six, datasets=datasets))
    yield "smallest p", [comparison.smallest_p(*given) for given in ((99, 6), (0, 6), (9, 20))]
    for permutations in (99, 9999, 0):
        chosen = replace(six.settings, permutations=permutations)
        yield f"{permutations} permutations", comparison.of_rivals(replace(six, settings=chosen, datasets=six.datasets[:3]))


SETS = ("a", "b", "c", "d", "e", "f")


def judged(name: str, kind: str, image: float, of_set: float, sets: int = 6, errors: Sequence[float] = ()) -> Judgement:
    found = dict(zip(SETS, errors or (of_set,) * sets, strict=False))
    return Judgement(name, kind, sets, 60 * sets, image, of_set, 0.9, 0.4, 0.7, 0.7, 0.3, found)


MEAN, KNN = judged("mean", "baseline", 0.2, 0.1), judged("knn", "distance", 0.3, 0.2)
BEST = judged("flip_agreement", "agreement", 0.08, 0.04)
CONSENSUS = judged("consensus", "combined", 0.09, 0.05)


def of(related: Relation, *rows: Judgement, estimator: str | None = "flip_agreement", chosen: bool = True) -> Relation:
    """Let these judgements be the relation's; choosing is worth what the winner's judgement says."""
    used = tuple(replace(one, estimator=estimator or one.estimator) for one in related.estimates)
    kept = choices_of(rows) if chosen else ()
    return replace(related, judgements=rows, choices=kept, estimator=estimator, estimates=used)


def of_estimators(_: Comparison, related: Relation) -> Lines:
    few = [
        replace(one, sets=3, set_errors=dict.fromkeys(SETS[:3], one.mae_set))
        for one in (MEAN, judged("knn", "distance", 0.1, 0.05))
    ]
    mixed = of(related, MEAN, BEST)
    asked = of(related, MEAN, KNN, BEST, estimator="knn")
    worlds = {
        "best": of(related, MEAN, KNN, BEST),
        "none beats the mean": of(related, MEAN, KNN, estimator="mean"),
        "the mean alone": of(related, judged("mean", "baseline", 0.2, 0.1, sets=1), estimator="mean"),
        "as good as printed": of(related, MEAN, judged("knn", "distance", 0.1998, 0.0997)),
        "better for images": of(related, MEAN, judged("knn", "distance", 0.1, 0.2)),
        "better for sets": of(related, MEAN, judged("knn", "distance", 0.3, 0.05)),
        "better for both": of(related, MEAN, judged("knn", "distance", 0.1, 0.05)),
        "better on average": of(related, MEAN, judged("knn", "distance", 0.1, 0.05, errors=(0.0, 0.0, 0.0, -0.3, 0.3, 0.2))),
        "few sets": of(related, *few),
        "fixed beforehand": of(related, MEAN, CONSENSUS, BEST, estimator="consensus", chosen=False),
        "a lucky distance": of(related, MEAN, KNN, judged("mahalanobis", "distance", 0.05, 0.02), BEST, chosen=False),
        "asked for": replace(asked, settings=replace(related.settings, estimator="knn")),
        "not asked for": asked,
        "untested": of(related, estimator="mean"),
        "another stands in": replace(mixed, estimates=(replace(related.estimates[0], estimator="mean"), *mixed.estimates[1:])),
    }
    said = ("lead", "distance", "in_use", "intervals")
    for name, relation in worlds.items():
        for function in said:
            if text := getattr(estimates_report, function)(relation):
                yield f"{name}: {function}", text
    one, blank = related.datasets[0], replace(related.datasets[1], scored=0)
    for datasets in ((), (one, blank)):
        yield "none judged", estimates_report.lead(replace(related, judgements=(), estimator=None, datasets=datasets))


def of_failures(_: Comparison, related: Relation) -> Lines:
    def listed(places: Sequence[int], scores: Sequence[float], times: int = 1) -> Relation:
        frame = {
            "dataset": "a",
            "image": range(10),
            "listed": np.isin(range(10), places),
            "performance": scores,
            "estimate": 0.3,
        }
        images = pd.concat([pd.DataFrame(frame)] * times, ignore_index=True)
        return replace(related, images=images, failures=(Failures("a", 0.5, 0.1, "mean", 10, len(places)),))

    scores = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, float("nan")]
    worlds = {
        "two listed": listed([0, 1], scores),
        "one wrong": listed([0, 1, 4, 9], scores),
        "unknown": listed([9], scores),
        "none listed": listed([], scores),
        "many": listed([0, 1], scores, 15),
        "nothing fails": listed([0], [0.9] * 10),
        "nothing fails or is listed": listed([], [0.9] * 10),
        "all listed": listed(range(10), scores),
        "all listed, nearly all fail": listed(range(10), [0.1] * 9 + [0.9]),
        "all listed, none labelled": listed(range(10), [float("nan")] * 10),
    }
    for name, relation in worlds.items():
        for function in ("lead", "found", "whole"):
            yield f"{name}: {function}", getattr(probable_failures, function)(relation)
    lists = [
        Failures("a", 0.5, 0.1, "atc", 10, 5, 0.2),
        Failures("b", 0.5, 0.1, "atc", 10, 5, 0.1),
        Failures("c", 0.5, 0.1, "atc", 9, 9),
    ]
    for rows in (lists, lists[1:]):
        yield "broken", probable_failures.broken(replace(related, failures=tuple(rows)))
    yield "promise", probable_failures.promise(related)


def of_slices(_: Comparison, __: Relation) -> Lines:
    def far(value: str, p: float | None, difference: float | None = 0.5, *, small: bool = False) -> DistanceSlice:
        return DistanceSlice("roads-dry", "camera", value, 20, 3.1, 1.5, (1.4, 1.6), 0.25, difference, p, p, small)

    def scored(p: float, difference: float) -> PerformanceSlice:
        return PerformanceSlice("roads-dry", "camera", "A", 20, 18, 12, 0.5, (0.4, 0.6), 0.55, 3, difference, p, p, False)

    cases: list[tuple[list[DistanceSlice], list[PerformanceSlice]]] = [
        ([far("A", 0.01)], []),
        ([far("A", 0.01), far("", 0.02)], []),
        ([far("A", 0.2), far("B", 0.01, -0.5)], [scored(0.01, -0.2)]),
        ([far("A", None, None, small=True)], []),
        ([], [scored(0.01, 0.2)]),
    ]
    for distance, scores in cases:
        yield f"{len(distance)} and {len(scores)}", performance_report.slice_lead(distance, scores)


GROUPS = (of_datasets, of_orders, of_estimators, of_failures, of_slices)


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_sentences(group: Callable[[Comparison, Relation], Lines], six: Comparison, related: Relation) -> None:
    check_lines(group(six, related), group.__name__)


def check_lines(lines: Lines, name: str) -> None:
    text = "\n".join(f"{title}\n    {said}" for title, said in lines)
    check(text, Path(__file__).parent / "snapshots" / f"sentences {name.replace('_', ' ')}.md")


@pytest.mark.parametrize("seed", range(5))
def test_ranks_are_scipys(seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 6, 20).tolist()
    assert ranks(values) == stats.rankdata(values).tolist()


def ordered(six: Comparison, rho: float | None = None, **orders: list[float]) -> BackboneComparison:
    """Two backbones by which the first datasets lie so far."""
    found = []
    for name, values in orders.items():
        datasets = tuple(replace(row, relative=value) for row, value in zip(six.datasets, values, strict=False))
        images = six.images[six.images["dataset"].isin([row.name for row in datasets])]
        found.append(replace(six, datasets=datasets, images=images, baselines=(), backbone=replace(six.backbone, name=name)))
    first, second = orders
    order = pd.Series(orders[first]).corr(pd.Series(orders[second]), method="spearman")
    pair = {"one": first, "other": second, "n": 9, "low": float("nan"), "high": float("nan")}
    rows = [{**pair, "dataset": "", "spearman": order}, *([] if rho is None else [{**pair, "dataset": "a", "spearman": rho}])]
    return BackboneComparison(tuple(found), pd.DataFrame(rows))


def test_sentences_of_backbones(six: Comparison) -> None:
    worlds = {
        "agree": ordered(six, 0.9, net=[1.0, 1.2, 1.4, 1.6], other=[2.0, 2.2, 2.4, 2.6]),
        "opposite": ordered(six, 0.5, net=[1.0, 1.2, 1.4, 1.6, 1.8], other=[1.8, 1.6, 1.4, 1.2, 1.0]),
        "one dataset": ordered(six, 0.1, net=[1.1], other=[1.3]),
    }
    said = (backbones_report.lead, backbones_report.trivial_sentence, backbones_report.limits)
    check_lines(
        ((f"{name}: {write.__name__}", write(found)) for name, found in worlds.items() for write in said), "of_backbones"
    )


def test_sentences_of_distances() -> None:
    table = believable_distances.make(net=(1, 2, 5, 6), other=(1, 5, 2, 6), pixels=(1, 2, 7, 5))
    answers, every = backbones_and_components_report.orders(table, SYMBOLS), dict.fromkeys(believable_distances.SETS, "S_5")
    own = {name: answer for name, answer in answers.items() if not answer.trivial}
    near = believable_distances.make(net=(0, 4, 5, 6))
    few = replace(near.comparison, comparisons=(believable_distances.measured("net", (0, 4, 5, 6), 19),))
    lead, worth = backbones_and_components_report.distance_lead, backbones_and_components_report.order_sentences
    said = {
        "no such datasets": [backbones_and_components_report.orders(table, each) for each in ({}, every)],
        "not asked": backbones_and_components_report.distance_section(table, Context(Path(), {})).lead,
        "by none": lead(table, {"other": answers["other"]}),
        "by both": lead(table, {"net": answers["net"], "again": answers["net"]}),
        "no trivial backbone": worth(own)[0],
        "a trivial one fails": worth({**own, "pixels": replace(answers["pixels"], holds=False)})[0],
        "close": worth({**answers, "net": replace(answers["net"], apart=False)})[1],
        "turned": worth({**own, "other": replace(answers["other"], relative=True)})[2],
        "few permutations": backbones_and_components_report.p_sentence(replace(near, comparison=few)),
    }
    check_lines(iter(said.items()), "of_distances")
    ratios = {row[0].text: row[3].sort for row in backbones_and_components_report.without_cracks(answers).rows}
    assert ratios["pixels (trivial)"] == pytest.approx(
        answers["pixels"].nearest.o_dist_mean / answers["pixels"].farthest.o_dist_mean
    )


def test_sentences_of_persons(tmp_path: Path) -> None:
    identity = believable_identity.make(tmp_path)
    blurred = identity.claims["perturbation"] == "blur"
    steady, moved = identity.claims.copy(), identity.claims.copy()
    for name, value in {"change": 0.01, "change_low": -0.02, "change_high": 0.03}.items():
        steady.loc[blurred, name] = moved.loc[blurred, name] = value
    moved.loc[2, ["change", "change_low"]] = (0.02, 0.01)
    moved.loc[7, ["change", "change_low", "change_high"]] = (-0.1, -0.2, -0.05)
    held = identity.claims.assign(holding=0, violated=[0.0, 0.25, 0.0, 0.0, 0.5, 0.5, 0.0, 0.0])
    held.loc[1, "holding"] = held.loc[1, "references"]
    worlds = {"as made": identity.claims, "none holds": identity.claims.assign(holding=0), "one holds": held}
    worlds |= {"within their intervals": steady, "beyond": moved}
    sections = {
        name: person_identity_report.section(replace(identity, claims=claims), Context(Path()))
        for name, claims in worlds.items()
    }
    sections["one image a set"] = person_identity_report.section(
        believable_identity.make(tmp_path, persons=tuple("abcde"), single=True, perturbations=()), Context(Path())
    )
    check_lines(((name, [made.lead, *made.sentences, *made.limits]) for name, made in sections.items()), "of_persons")
