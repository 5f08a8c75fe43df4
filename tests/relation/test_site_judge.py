"""A judge of sites: hidden labels change nothing, no order does, and of several estimators the consensus is used."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from howfar.arrays import Float64Array
from howfar.errors import HowfarError, InputError
from howfar.relation.calibrated_estimator import KnownFits
from howfar.relation.labelled_images import BOX_SIGNALS, CLASS_SIGNALS, CONFIDENCES, SHAPES, LabelledImages, take
from howfar.relation.site_judge import (
    Evidence,
    SiteJudge,
    SiteJudgement,
    Terms,
    clearly_better,
    in_order,
    judge_of,
    learnt_notes,
    left_out,
)
from howfar.results import Judgement

TASKS = {
    "maps": (*CONFIDENCES, "soft_f", "flip_agreement", "flip_overlap", *SHAPES, "histogram"),
    "classes": CLASS_SIGNALS,
    "boxes": BOX_SIGNALS,
    "distances": (),
}
SITES, CORRUPTED = ("a", "b", "c"), ("p·blur 1", "p·blur 2", "p·noise 1")
EACH = 16
TERMS = Terms(tau=0.5, level=0.9, error_rate=0.2)


def images(task: str, n: int, seed: int, far: float = 1.0) -> tuple[dict[str, Any], Float64Array]:
    """Draw images of one set: signals that know of performance, and distances that do not."""
    rng = np.random.default_rng([seed, len(task)])
    quality = np.clip(rng.uniform(0.35, 0.75) + 0.2 * rng.normal(size=n), 0.05, 0.95)
    columns: dict[str, Any] = {name: quality + 0.1 * rng.normal(size=n) for name in TASKS[task] if name != "histogram"}
    columns |= {name: far + 0.1 * rng.random(n) for name in ("i_dist", "knn", "mahalanobis", "residual")}
    columns["pixels"] = np.full(n, 4096.0)
    if task == "maps":
        columns["histogram"] = np.array(
            [rng.multinomial(4096, rng.dirichlet(np.r_[6 * q, np.ones(254) / 99, 2.0])) for q in quality]
        )
    if task == "boxes":
        columns["box_count"] = np.round(3 + 5 * quality)
    truth = (rng.random(n) < quality) if task == "classes" else quality + 0.05 * rng.normal(size=n)
    return columns, np.clip(truth, 0, 1).astype(np.float64)


def run(
    task: str, sites: tuple[str, ...] = SITES, corrupted: tuple[str, ...] = ()
) -> tuple[dict[str, Any], Float64Array, np.ndarray]:
    """Draw columns, performance and set of each image of a run, of which c lies beyond the gate of a and b, and d of c."""
    names = (*sites, *corrupted)
    drawn = [images(task, EACH, sum(map(ord, name)), {"c": 1.5, "d": 1.7}.get(name, 1.0)) for name in names]
    columns = {name: np.concatenate([columns[name] for columns, _ in drawn]) for name in drawn[0][0]}
    return columns, np.concatenate([performance for _, performance in drawn]), np.repeat(names, EACH)


def home_of(task: str) -> LabelledImages:
    columns, performance = images(task, EACH, 0)
    signals = {name: columns[name] for name in (*TASKS[task], "pixels")}
    return LabelledImages(signals, performance, np.full(EACH, "p"), np.array([f"photo {k // 2}" for k in range(EACH)]))


def evidence(
    task: str, home: bool = True, corrupted: bool = False, hidden: str = "", sites: tuple[str, ...] = SITES
) -> Evidence:
    columns, performance, sets = run(task, sites, CORRUPTED if corrupted else ())
    groups = np.array([f"photo {k // 2}" for k in range(len(sets))])
    known = np.where(sets == hidden, np.nan, performance)
    return Evidence.of(LabelledImages(columns, known, sets, groups), home_of(task) if home else None, "p")


def judged(of: Evidence, **options: Any) -> SiteJudge:
    return judge_of(of, TERMS, "F", 0.5, **options)


def said(judgement: SiteJudgement) -> list[Any]:
    """List all that is said of a site, so that it compares bit for bit."""
    arrays = [getattr(judgement, name).tobytes() for name in ("predicted", "low", "high", "p_value", "listed")]
    return [judgement.estimate, judgement.gate, judgement.failures, judgement.estimators, *arrays]


@pytest.mark.parametrize(("home", "corrupted"), [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("task", TASKS)
def test_a_site_whose_labels_are_left_out_is_judged_as_one_that_has_none(task: str, home: bool, corrupted: bool) -> None:
    known, whole = KnownFits(), evidence(task, home, corrupted)
    judge = judged(whole, known=known)
    columns, _, sets = run(task, corrupted=CORRUPTED)
    # The gate stops c, which then counts for nothing in what is said of b.
    for name in ("b", "c", *CORRUPTED[:1]) if corrupted and home else ("b",):
        new = take(columns, sets == name)
        hiding = left_out(judge, whole, name, "auto", known)
        assert said(hiding.site(name, new)) == said(judged(evidence(task, home, corrupted, hidden=name)).site(name, new))


@pytest.mark.parametrize("task", ["maps", "distances"])
def test_no_order_of_datasets_changes_a_digit(task: str) -> None:
    columns = run(task)[0]
    first, second = (judged(evidence(task, sites=sites)) for sites in (SITES, SITES[::-1]))
    assert (first.to_dict(), first.fitted()) == (second.to_dict(), second.fitted())
    assert said(first.site("new", columns)) == said(second.site("new", columns))


def test_without_another_labelled_set_nothing_is_said() -> None:
    alone = evidence("classes", home=False, sites=("a",))
    judge = judged(alone)
    assert judge.judgements == ()
    assert judge.fits["consensus"].error_scale() == (2.0, 0.08)
    assert left_out(judge, alone, "a", "auto", KnownFits()) is None


def test_only_sites_that_the_gate_lets_pass_tell_how_large_an_error_is() -> None:
    for sites, stopped in ((("a", "b"), set()), (("a", "b", "c"), {"c"}), (("a", "b", "c", "d"), {"d"})):
        judge = judged(evidence("distances", sites=sites))
        fit = judge.fits["mean"]
        assert fit.stopped == stopped
        assert set(fit.tried()[2]) == set(sites) - stopped
        errors = [error for name, error in fit.set_errors().items() if name not in stopped]
        scale = np.sqrt((2 * 0.08**2 + np.sum(np.square(errors))) / (2 + len(errors)))
        assert fit.error_scale() == (2 + len(sites) - len(stopped) + 1, pytest.approx(scale))


def test_between_labelled_sets_and_the_gates_limit_an_interval_widens() -> None:
    judge = judge_of(evidence("distances", sites=("a", "b")), replace(TERMS, level=0.5), "F", None)
    columns = run("distances", ("a",))[0]
    half, limit = judge.fits["mean"].set_half_width(), judge.site("new", columns).gate.readings[1].high
    for share, wide in ((0.0, 1.0), (0.5, 1.25), (1.0, 1.5), (2.0, 1.5)):
        new = {**columns, "knn": np.full(EACH, limit / 1.25 * (1 + 0.25 * share))}
        estimate = judge.site("new", new).estimate
        assert (estimate.high - estimate.predicted, estimate.predicted - estimate.low) == pytest.approx((half * wide,) * 2)


def test_the_consensus_is_the_mean_of_its_members() -> None:
    for task, members in (("maps", 3), ("classes", 3), ("boxes", 2)):
        judge, (columns, _, _) = judged(evidence(task)), run(task)
        assert judge.order[0] == "consensus"
        names = [name for name in ("atc", "boosted", "signals") if name in judge.fits]
        assert len(names) == members
        alone = [judge.fits[name].predict(columns)[0] for name in names]
        np.testing.assert_allclose(judge.predict(columns)[0], np.mean(alone, axis=0), rtol=0, atol=1e-15)


def test_an_image_that_lacks_a_column_is_estimated_by_the_next() -> None:
    judge, (columns, _, _) = judged(evidence("maps")), run("maps")
    columns["flip_agreement"][1:] = np.nan
    columns["histogram"] = columns["histogram"].astype(float)
    columns["histogram"][2:] = np.nan
    estimate, low, high, names = judge.predict(take(columns, range(3)))
    assert names == ("consensus", "atc", judge.order[-1] if "knn" not in judge.order else "knn")
    for place, name in enumerate(names):
        alone = judge.fits[name].predict(take(columns, [place]))
        assert (estimate[place], low[place], high[place]) == tuple(float(value[0]) for value in alone)
    of_site = judge.site("new", take(columns, [2, 3]))
    assert of_site.estimators == names[2:] * 2
    assert of_site.gate is not None


def test_a_wanted_estimator_is_used_alone_and_the_mean_where_the_others_lack_it() -> None:
    columns, performance, sets = run("distances")
    columns["flip_agreement"] = np.where(sets == "b", performance, np.nan)
    rare = Evidence.of(LabelledImages(columns, performance, sets, sets), None, "p")
    judge = judged(rare, wanted="flip_agreement")
    assert (judge.order, judge.ranked(), judge.ranked("knn")) == (
        ("flip_agreement", "mean"),
        ("flip_agreement", "mean"),
        ("knn", "mean"),
    )
    hiding = left_out(judge, rare, "b", "flip_agreement", KnownFits())
    assert hiding.order == ("mean",)
    with pytest.raises(InputError, match="estimator must be auto or one of mean, "):
        judge.ranked("doc")
    with pytest.raises(InputError, match="estimator must be one whose signals the labelled sets have, got 'doc'"):
        judged(rare, wanted="doc")


def test_a_set_that_the_judge_learnt_from_is_named() -> None:
    of = judged(evidence("distances"), rivals=False)
    assert learnt_notes(None, ["a"]) == learnt_notes(of, ["new"]) == ()
    (note,) = learnt_notes(of, ["a", "new", "a"])
    assert note.startswith(f"a: the profile learnt from {EACH} labelled images")


def test_mosaics_do_not_widen_the_gate_and_other_corruptions_do() -> None:
    of = evidence("maps", corrupted=True)
    far = {"distance": 9.0, "residual": 9.0}
    for kind, inside in (("mosaic", False), ("blur", True)):
        kinds = np.where(of.labelled.sets == "p·blur 1", kind, of.labelled.kinds)
        asked = Evidence(replace(of.labelled, kinds=kinds), {**of.readings, "p·blur 1": far})
        gate = judged(asked, rivals=False).gate
        assert gate is not None
        assert gate.read("new", {"residual": 8.0}).inside is inside


def test_it_survives_json_bit_for_bit() -> None:
    judge, (columns, _, _) = judged(evidence("maps", corrupted=True), remarks=["odd"]), run("maps")
    document, fitted = json.loads(json.dumps([judge.to_dict(), judge.fitted()], allow_nan=False))
    back = SiteJudge.from_dict(document, fitted)
    assert (back.to_dict(), back.fitted()) == (judge.to_dict(), judge.fitted())
    assert said(back.site("new", columns)) == said(judge.site("new", columns))
    with pytest.raises(HowfarError, match="document must be that of a calibrated estimator"):
        SiteJudge.from_dict(document, {**fitted, "mean": {"level": 0.8}})
    for order in ([], ["theirs"]):
        with pytest.raises(ValueError, match="order of estimators"):
            SiteJudge.from_dict({**document, "auto": order}, fitted)


def test_a_judge_of_an_earlier_version_answers_by_its_own_order() -> None:
    judge, (columns, _, _) = judged(evidence("maps", home=False)), run("maps")
    document, fitted = json.loads(json.dumps([judge.to_dict(), judge.fitted()]))
    del document["error_rate"], document["tiled"], document["gate"]
    document["auto"] = ["signals", "knn", "mean"]
    for fit in fitted.values():
        del fit["roles"], fit["stopped"]
    back = SiteJudge.from_dict(document, fitted)
    assert (back.terms, back.gate) == (TERMS, None)
    assert set(back.fits["signals"].roles.items()) == {(name, "site") for name in SITES}
    columns["entropy"][0] = np.nan
    estimate, _, _, names = back.predict(columns)
    assert names == ("knn", *["signals"] * (len(estimate) - 1))
    np.testing.assert_array_equal(estimate[1:], judge.fits["signals"].predict(columns)[0][1:])
    answer = back.site("new", columns).estimate
    assert answer.high - answer.predicted == pytest.approx(back.fits["signals"].set_half_width())


def judgements(**errors: list[float]) -> list[Judgement]:
    return [
        Judgement(name, "kind", len(row), 9, 0.1, 0.1, None, None, None, None, None, dict(zip("abcdef", row, strict=False)))
        for name, row in errors.items()
    ]


def test_with_predictions_nothing_is_chosen() -> None:
    judged = judgements(mean=[0.5] * 4, knn=[0.0] * 4)
    usable = {"mean", "knn", "doc", "boosted", "signals", "atc", "consensus"}
    assert in_order(usable, judged) == ("consensus", "atc", "signals", "boosted", "knn", "mean")
    assert in_order(usable - {"atc"}, []) == ("consensus", "signals", "boosted", "mean")


def test_without_predictions_a_distance_that_is_clearly_better_comes_before_the_mean() -> None:
    judged = judgements(mean=[0.2, -0.2, 0.2], knn=[0.1, 0.1, -0.1])
    assert in_order({"mean", "knn", "i_dist"}, judged) == ("knn", "mean")
    assert in_order({"mean", "i_dist"}, judged) == ("mean",)
    assert in_order({"mean", "knn"}, judgements(mean=[0.1] * 3, knn=[0.1] * 3)) == ("mean",)


@pytest.mark.parametrize(
    ("gains", "better"), [([0.1, 0.1], False), ([0.3, 0.0, 0.0], False), ([0.3, 0.1, 0.0], True), ([-0.1] * 3, False)]
)
def test_better_is_by_more_than_a_standard_error_over_three_sites(gains: list[float], better: bool) -> None:
    errors = judgements(mean=[0.4] * len(gains), knn=[gain - 0.4 for gain in gains])
    assert clearly_better("knn", "mean", errors) == better
