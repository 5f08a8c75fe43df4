"""What a profile says of a whole dataset: its mean performance with an interval, and whether that may be believed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import howfar
from howfar.data.embeddings import from_array
from howfar.errors import InputError
from howfar.pipeline.scorer import site_estimates
from howfar.relation import site_judge
from howfar.relation.calibrated_estimator import calibrate
from howfar.relation.gate import GateRange
from howfar.relation.site_judge import SiteJudge, Terms
from howfar.results import Judgement
from snapshots import check

AXES = np.linalg.qr(np.random.default_rng(3).normal(size=(40, 40)))[0]
LABELLED = (("a", 1.0), ("b", 3.0), ("c", 5.0))


def features(name: str, seed: int, n: int, shift: float = 0.0, off: float = 0.0) -> howfar.Features:
    """Rows in five dimensions of forty, moved along the first of them, and off them along the last."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((n, 40))
    rows[:, :5] = rng.normal(size=(n, 5)) * 3
    rows[:, 5:] = 0.1 * rng.normal(size=(n, 35))
    rows[:, 0] += shift
    rows[:, -1] += off
    return from_array(rows @ AXES, name)


@pytest.fixture(scope="module")
def profile() -> howfar.Profile:
    labelled = [features(name, seed, 40, shift) for seed, (name, shift) in enumerate(LABELLED, start=1)]
    noise = 0.02 * np.random.default_rng(9).normal(size=40)
    tables = [
        pd.DataFrame(
            {"dataset": rows.name, "image": list(rows.images), "performance": np.clip(0.8 - 0.08 * shift + noise, 0, 1)}
        )
        for rows, (_, shift) in zip(labelled, LABELLED, strict=True)
    ]
    return howfar.profile(features("p", 0, 60), labelled=labelled, performance=tables, components=5, progress=False)


def test_a_set_like_the_labelled_ones_has_an_estimate_and_lies_inside(profile):
    scores = profile.score(features("new", 7, 30, 3.0))
    (row,), (gate,) = scores.estimates, scores.gates
    assert (row.dataset, row.n, gate.inside) == ("new", 30, True)
    assert row.predicted == pytest.approx(np.mean([image.predicted for image in scores.images if image.predicted is not None]))
    half = profile.judge.fits[row.estimator].set_half_width() * (1 + 0.5 * gate.beyond)
    assert (row.low, row.high) == pytest.approx((max(row.predicted - half, 0.0), min(row.predicted + half, 1.0)))
    assert scores.answers() == [f"new: mean performance not known yet (90 %) by {row.estimator}, of 30 images"]
    narrow = replace(scores, estimates=(replace(row, predicted=0.5, low=0.4, high=0.6),)).answers()
    assert narrow == [f"new: mean performance 0.50 [0.40, 0.60] (90 %) by {row.estimator}, of 30 images"]


def test_the_answer_names_what_the_gate_could_not_check(profile):
    range_of = profile.judge.gate
    with_maps = GateRange({name: {**values, "share": 0.1} for name, values in range_of.sets.items()})
    judged = profile.with_judge(replace(profile.judge, gate=with_maps))
    (line,) = judged.score(features("new", 7, 30, 3.0)).answers()
    assert line.endswith("of 30 images; the gate could not check share")


def test_a_set_off_the_primarys_subspace_looks_near_and_is_stopped(profile):
    scores = profile.score(features("off", 7, 30, 3.0, off=40.0))
    assert [reading.check for reading in scores.gates[0].outside] == ["residual"]
    (line,) = scores.answers()
    assert line.startswith("off: ")
    assert line.endswith("(there is no estimate)")


def test_new_images_of_the_primarys_kind_lie_as_far_off_its_subspace_as_its_own(profile):
    residuals = [image.readings["residual"] or 0.0 for image in profile.score(features("again", 11, 300)).images]
    assert np.mean(residuals) == pytest.approx(1.0, abs=0.05)


def test_an_image_alone_is_measured_as_among_many(profile):
    rows = features("new", 7, 200, 3.0).to_array()
    many = profile.columns(profile.measure(rows))
    alone = [profile.columns(profile.measure(rows[k : k + 1])) for k in range(len(rows))]
    for name, values in many.items():
        np.testing.assert_array_equal([columns[name][0] for columns in alone], values)


def test_each_dataset_is_answered_by_itself(profile):
    scores = profile.score([features("new", 7, 30, 3.0), features("far", 8, 20, 40.0)])
    assert [estimate.dataset for estimate in scores.estimates] == ["new", "far"]
    assert [gate.inside for gate in scores.gates] == [True, False]


def test_a_saved_profile_says_the_same(profile, tmp_path):
    again = howfar.Profile.load(profile.save(tmp_path / "p.howfar"))
    rows = features("new", 7, 30, 9.0)
    assert again.score(rows).gates == profile.score(rows).gates
    assert again.own_residual == profile.own_residual


def test_nothing_is_said_without_estimators_and_what_the_gate_reads_is_no_column(profile):
    scores = profile.score(features("new", 7, 3))
    assert site_estimates(None, scores.images) == ((), (), ())
    assert (scores.images[0].readings["residual"] or 0.0) > 0
    assert "readings" not in scores.to_frame()
    assert "readings" not in scores.to_dict()["images"][0]
    assert "readings" not in scores.images[0].to_dict()


NAMES = ("mean", "i_dist", "flip_agreement")


def judgement(name: str, mae: float, **changes: Any) -> Judgement:
    return replace(Judgement(name, "kind", 3, 36, 0.1, mae, 0.75, 0.3, None, None, None), **changes)


JUDGED = (judgement("mean", 0.2), judgement("i_dist", 0.15), judgement("flip_agreement", 0.05, set_coverage=2 / 3))


def judge(*judgements: Judgement, **changes: Any) -> SiteJudge:
    """A judge that uses flip agreement, for want of it the distance, and else the mean."""
    performance = np.random.default_rng(0).random(36)
    columns, sets = dict.fromkeys(NAMES[1:], performance), np.repeat(["a", "b", "c"], 12)
    fits = {name: calibrate(name, columns, performance, sets) for name in NAMES}
    counts = dict.fromkeys("abc", 12)
    made = SiteJudge("F at threshold 0.30", 0.3, Terms(0.5, 0.8, 0.2), counts, NAMES[::-1], judgements, fits, None)
    return replace(made, **changes)


def test_it_is_said_how_the_estimator_did_on_the_datasets_left_out():
    bare = [replace(row, coverage=None, set_coverage=None) for row in JUDGED]
    ranked = judge(*JUDGED, order=("i_dist", "mean"))
    said = [
        *site_judge.notes(judge(*JUDGED), NAMES),
        *site_judge.notes(judge(*bare), NAMES, "i_dist"),
        *site_judge.notes(judge(*bare), (), "mean"),
        # An estimator that comes first and wants maps is named; remarks come last.
        *site_judge.notes(judge(*JUDGED, remarks=("one", "two")), ["i_dist"]),
        *site_judge.notes(ranked, ()),
        *site_judge.lines(judge(*JUDGED)),
        *site_judge.lines(judge()),
    ]
    check("\n".join(said), Path(__file__).parent / "snapshots" / "notes of a judge.md")
    unknown = "predictions are by flip_agreement; how well it does on a dataset that it was not fitted on is not known"
    for judgements in ((), JUDGED[:2], JUDGED[1:]):
        assert site_judge.notes(judge(*judgements), NAMES) == (unknown,)
    with pytest.raises(InputError, match=r"^estimator flip_agreement needs flip_agreement: pass the folders of maps"):
        site_judge.notes(judge(*JUDGED), ["i_dist"], "flip_agreement")
