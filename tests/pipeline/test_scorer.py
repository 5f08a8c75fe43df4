"""Scores of new images one by one, and what a profile says of a whole new dataset."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import howfar
from howfar.data.embedding_files import from_array
from howfar.errors import InputError
from howfar.options_by_function import ScoringOptions
from howfar.pipeline.profile_file import Profile
from howfar.pipeline.profile_scorer import Scorer, arrivals, check_same, flagged, judged, load_again
from howfar.protocols import Backbone
from howfar.relation import site_judge
from howfar.relation.calibrated_estimator import calibrate
from howfar.relation.gate import GateRange
from howfar.relation.site_judge import SiteJudge, Terms
from howfar.results import Judgement, Skipped
from howfar.results.scores import Score
from howfar.store import Store
from snapshots import check

FIELDS = ("i_dist", "relative", "knn", "mahalanobis", "percentile", "p_value")


class Watched:
    """A backbone that remembers how many images each call was of."""

    def __init__(self, backbone: Backbone) -> None:
        self.backbone, self.batches, self.prepared = backbone, [], 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backbone, name)

    def prepare(self, image: Any) -> Any:
        self.prepared += 1
        return self.backbone.prepare(image)

    def embed(self, images: Any) -> Any:
        self.batches.append(len(images))
        return self.backbone.embed(images)


@pytest.fixture(scope="module")
def made(demo_folders) -> Profile:
    return howfar.profile(demo_folders[0], "colour_moments", progress=False)


@pytest.fixture
def backbone(made) -> Watched:
    return Watched(load_again(made))


@pytest.fixture
def site(demo_folders, tmp_path) -> Path:
    """Eight images, the third no picture and the last a copy of the first."""
    folder = tmp_path / "site"
    folder.mkdir()
    for k, image in enumerate(sorted((demo_folders[1] / "images").iterdir())[:7]):
        shutil.copy(image, folder / f"{k}.jpg")
    (folder / "2.jpg").write_text("no picture")
    shutil.copy(folder / "0.jpg", folder / "7.jpg")
    return folder


def outcomes(made: Profile, backbone: Any, new: Any, **work: Any) -> list[Score | Skipped]:
    scorer = Scorer(made, backbone, ScoringOptions(**work))
    return [one for group in arrivals(new) for one in scorer.each(group)]


def numbers(scores: Sequence[Any]) -> np.ndarray:
    return np.array([[getattr(one, name) for name in FIELDS] for one in scores], dtype=float)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 8, 50])
@pytest.mark.parametrize("workers", [1, 3])
def test_every_image_has_its_outcome_in_order(made, backbone, site, batch_size, workers):
    found = outcomes(made, backbone, site, batch_size=batch_size, workers=workers)
    assert [Path(one.path if isinstance(one, Skipped) else one.image).name for one in found] == [f"{k}.jpg" for k in range(8)]
    assert [isinstance(one, Skipped) for one in found] == [k == 2 for k in range(8)]
    wanted = [outcomes(made, backbone, str(site / f"{k}.jpg"))[0] for k in range(8)]
    assert found[2] == wanted[2] == Skipped("site", str(site / "2.jpg"), "not an image that Pillow can read")
    good = [k for k in range(8) if k != 2]
    np.testing.assert_allclose(numbers([found[k] for k in good]), numbers([wanted[k] for k in good]), rtol=1e-9)


def test_one_image_at_a_time(made, backbone, site):
    scorer = Scorer(made, backbone)
    one = scorer.one(site / "0.jpg")
    assert isinstance(one, Score)
    assert (one.dataset, one.image) == ("site", str(site / "0.jpg"))
    assert scorer.one(str(site / "gone.png")) == Skipped("site", str(site / "gone.png"), "no such file")


def test_without_a_store_every_image_is_embedded_each_time(made, backbone, site):
    for _ in range(2):
        outcomes(made, backbone, site)
    assert backbone.batches == [7, 7]
    assert not Path(os.environ["HOWFAR_STORE"]).exists()


def test_a_store_is_read_and_filled_by_content(made, backbone, site, tmp_path):
    plain = outcomes(made, backbone, site)
    backbone.batches.clear()
    backbone.prepared = 0
    first = outcomes(made, backbone, site, store=tmp_path / "store", workers=1)
    assert backbone.batches == [6], "the copy of a picture in the same batch is embedded once"
    for store in (Store(tmp_path / "store"), str(tmp_path / "store")):
        again = outcomes(made, backbone, site, store=store, batch_size=3)
        assert again == first
    assert backbone.batches == [6]
    assert backbone.prepared == 6, "what the store has, or a batch has twice, is decoded once"
    np.testing.assert_allclose(
        *(numbers([one for one in found if isinstance(one, Score)]) for found in (plain, first)), rtol=1e-6
    )
    (site / "0.jpg").rename(site / "renamed.jpg")
    Image.new("RGB", (64, 64), (200, 10, 10)).save(site / "1.jpg")
    outcomes(made, backbone, site, store=tmp_path / "store", workers=1)
    assert backbone.batches == [6, 1]


def rows(seed: int, n: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 6))


def test_embeddings_of_any_number_are_scored_in_order():
    made = howfar.profile(rows(0, 30))
    new = rows(1, 600)
    found = outcomes(made, None, new)
    assert len(found) == 600
    some = [0, 1, 254, 255, 256, 257, 511, 512, 599]
    alone = [outcomes(made, None, new[k : k + 1])[0] for k in some]
    np.testing.assert_allclose(numbers([found[k] for k in some]), numbers(alone), rtol=1e-9)
    assert [one.image for one in found[254:258] if isinstance(one, Score)] == [f"row-{k}" for k in range(254, 258)]
    assert {one.dataset for one in found} == {"new"}


def test_embeddings_go_by_their_path_where_they_have_one():
    made = howfar.profile(rows(0, 30))
    features = arrivals(rows(1, 2))[0].features
    assert features is not None
    named = replace(features, name="site", paths=("a/1.png", ""), skipped=(Skipped("site", "x", "broken"),))
    found = outcomes(made, None, named)
    assert [getattr(one, "image", "skipped") for one in found] == ["a/1.png", "row-1", "skipped"]
    assert {one.dataset for one in found} == {"site"}


def test_embeddings_and_images_do_not_meet(made, backbone, site):
    with pytest.raises(InputError, match=r"array must give|new must give"):
        outcomes(made, backbone, rows(0, 2))
    embedded = howfar.profile(rows(0, 30))
    for new in (site, str(site / "0.jpg")):
        with pytest.raises(InputError, match="was profiled from ready-made embeddings: pass such, not images"):
            outcomes(embedded, None, new)
    with pytest.raises(InputError, match="was profiled from ready-made embeddings"):
        load_again(embedded)


def test_another_backbone_is_refused_before_anything_is_read(made):
    with pytest.raises(InputError, match=r"^backbone pixels must give the features that"):
        Scorer(made, howfar.load_backbone("pixels"))


def expecting(n: int = 30) -> Profile:
    """A profile with "mean" and "i_dist", the latter better."""
    made = howfar.profile(rows(0, n) if n > 1 else rows(0, 1))
    x = np.linspace(0.5, 2.0, 20)
    known = ({"i_dist": x}, 1.0 - 0.4 * x, ["a"] * 10 + ["b"] * 10)
    fits = {name: calibrate(name, *known) for name in ("mean", "i_dist")}
    judgements = tuple(
        Judgement(name, "k", 2, 20, mae, mae, 0.9, 0.1, None, None, None) for name, mae in (("mean", 0.2), ("i_dist", 0.1))
    )
    order, terms = ("i_dist", "mean"), Terms(0.45, 0.9, 0.2)
    return made.with_judge(SiteJudge("performance", None, terms, {"a": 10, "b": 10}, order, judgements, fits, None))


def test_predictions_and_flags_are_those_of_the_profiles_estimators():
    made, new = expecting(), rows(1, 40) * 2
    found = outcomes(made, None, new)
    for one in found:
        assert isinstance(one, Score)
        assert one.estimator == "i_dist"
        assert one.predicted == pytest.approx(np.clip(1.0 - 0.4 * one.relative, 0, 1), abs=1e-9)
        assert one.predicted_low <= one.predicted <= one.predicted_high
        assert one.flag == (one.predicted < 0.45)
    assert len({one.flag for one in found}) == 2
    (mean,) = {one.predicted for one in outcomes(made, None, new, estimator="mean")}
    assert mean == pytest.approx(0.5)


def test_a_primary_without_a_yardstick_has_no_distances_to_estimate_from():
    made = expecting(1)
    (found,) = outcomes(made, None, rows(1, 1))
    assert isinstance(found, Score)
    assert (found.estimator, found.predicted) == ("mean", pytest.approx(0.5))
    assert any("the labelled datasets' mean" in note for note in Scorer(made, None).notes)
    with pytest.raises(InputError, match="estimator i_dist needs i_dist"):
        Scorer(made, None, ScoringOptions(estimator="i_dist"))
    assert Scorer(expecting(), None).notes[-1].startswith("predictions are by i_dist")


def test_what_needs_estimators_is_of_no_use_without(made, backbone, site):
    assert Scorer(made, backbone).notes == made.notes()
    for work, name in ((ScoringOptions(estimator="mean"), "estimator"), (ScoringOptions(predictions=site), "predictions")):
        with pytest.raises(InputError, match=f"^{name} is of no use: the profile of .* holds no estimators of performance"):
            Scorer(made, backbone, work)


@pytest.mark.parametrize(
    ("predicted", "estimator", "p_value", "tau", "flag", "words"),
    [
        (0.49, "i_dist", 0.9, 0.5, True, "predicted 0.49 is below 0.5"),
        (0.50, "i_dist", 0.001, 0.5, False, "predicted 0.5 is not below 0.5"),
        (0.49, "mean", 0.9, 0.5, True, "predicted 0.49 is below 0.5"),
        (0.80, "mean", 0.9, 0.5, False, "not farther than 95 %"),
        (0.80, "mean", 0.05, 0.5, True, "farther than 95 % of the images of roads (p = 0.05)"),
        (None, None, 0.05, 0.5, True, "farther than 95 %"),
        (None, None, 0.051, None, False, "not farther than 95 %"),
        (None, None, None, None, None, "roads has too few images or groups to tell, or all alike"),
        (0.80, "mean", None, 0.5, None, "roads has too few images or groups to tell, or all alike"),
        (0.80, "i_dist", None, 0.5, False, "predicted 0.8 is not below 0.5"),
    ],
)
def test_the_rule(predicted, estimator, p_value, tau, flag, words):
    found, reason = flagged("roads", predicted, estimator, p_value, tau)
    assert found is flag
    assert words in reason
    assert reason.startswith(words[:6])


def test_features_of_another_kind_are_refused_in_a_line_with_each_key_that_differs():
    size = {"side": 96, "fit": {"mode": "crop"}}
    wanted = {"name": "pixels", "size": size, "layers": [1, 2], "more": {}, "deep": [{"a": 1, "b": 2}]}
    check_same(wanted, {**dict(reversed(wanted.items())), "layers": (1, 2), "deep": [{"b": 2, "a": 1}]}, "roads", "site")
    got = {"name": "ö", "size": {"side": "96", "fit": {"mode": "pad"}}, "layers": [2, 1], "more": {"a": 1}, "pool": None}
    with pytest.raises(InputError) as caught:
        check_same(wanted, got, "roads", "site")
    assert str(caught.value) == (
        'site must give the features that roads was profiled with, and differs in name: "pixels" and "ö"; size.side: 96 and '
        '"96"; size.fit.mode: "crop" and "pad"; layers: [1, 2] and [2, 1]; more: {} and nothing; deep: [{"a": 1, "b": 2}] and '
        "nothing; more.a: nothing and 1; pool: nothing and null (the profile's first): use the same backbone, or make the "
        "profile again"
    )


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


def test_nothing_is_said_without_estimators_and_what_the_gate_reads_is_no_column(profile):
    scores = profile.score(features("new", 7, 3))
    nothing = judged(replace(profile, judge=None), scores.images)
    assert (nothing.estimates, nothing.gates, nothing.failures) == ((), (), ())
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
