"""What a certificate states, of images and of values in memory; which samples are refused."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import nn

import howfar
from howfar.data import content_hash
from howfar.data.prediction_maps import write_map
from howfar.errors import InputError, LeakError, StoreError
from howfar.pipeline.prediction import Model, load_model
from howfar.results import Provenance
from howfar.results.certificate_result import Certificate
from howfar.sampling import draw, mean
from howfar.segmenters.checkpoint import CheckpointCard
from howfar.studies.certification.certified_quantity import first, parse_until, sample_of
from howfar.tasks.segmentation_task import MEASURES
from sites_with_maps import write_site

pytestmark = pytest.mark.usefixtures("undrawn")
COUNT = 24


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certified")
    write_site(folder, COUNT)
    return folder


def certify(at: Path, k: int | None = 8, **given: Any) -> Certificate:
    return howfar.certify(at / "site", given.pop("predictions", at / "maps"), k, progress=False, **given)


def evaluation(at: Path, **given: Any) -> howfar.Evaluation:
    from howfar.data import Dataset

    site = Dataset.from_folder(at / "site")
    items = tuple(replace(item, mask=at / "truth" / f"{Path(item.name).stem}.png") for item in site.items)
    return howfar.evaluate(replace(site, items=items), at / "maps", progress=False, **given)


def values(count: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and measured performance of a site on which the predictions are too high."""
    rng = np.random.default_rng(seed)
    predicted = rng.beta(4, 2, count)
    return predicted, np.clip(predicted**2 + rng.normal(0, 0.1, count), 0, 1)


FALSE = [name for name in MEASURES if name.startswith("false_positive")]


@pytest.mark.parametrize("metric", [name for name in MEASURES if name not in FALSE])
def test_with_all_labels_it_is_the_evaluation(metric: str, place: Path) -> None:
    found = certify(place, COUNT, labels=place / "truth", metric=metric, threshold=0.4)
    measured = evaluation(place, threshold=0.4)
    means = {f"mean_{name}": measured.images[name].mean() for name in ("iou", "precision", "recall")}
    wanted = {**measured.scores, **means}[metric]
    assert found.value == found.low == found.high == pytest.approx(wanted, abs=1e-12)
    assert (found.metric, found.threshold, found.labelled) == (metric, 0.4, COUNT)


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site whose masks are blank but for one, and some of whose maps show nothing."""
    folder = tmp_path_factory.mktemp("blank")
    _, truth, maps = write_site(folder, COUNT, seed=1)
    for file in sorted(truth.iterdir())[1:]:
        Image.new("L", (32, 32)).save(file)
    for file in sorted(maps.iterdir())[::3]:
        Image.new("L", (32, 32)).save(file)
    return folder


@pytest.mark.parametrize("metric", FALSE)
def test_false_positives_are_those_of_the_evaluation(metric: str, blank: Path) -> None:
    found = certify(blank, COUNT, labels=blank / "truth", metric=metric, threshold=0.4)
    measured = evaluation(blank, threshold=0.4)
    own = measured.images[measured.images["true"] == 0]
    wanted = {
        "false_positive_share": measured.scores["false_positive_share"],
        "false_positive_rate": (own["predicted_foreground"] > 0).mean(),
    }[metric]
    assert 0 < wanted < 1
    assert found.value == found.low == found.high == pytest.approx(wanted, abs=1e-12)
    some = certify(blank, 12, labels=blank / "truth", metric=metric, threshold=0.4)
    assert some.low is not None
    assert some.high is not None
    assert some.low <= wanted <= some.high


def test_labels_that_are_blank_certify_false_positives_when_f_is_undefined(blank: Path, place: Path, tmp_path: Path) -> None:
    given = {"labels": blank / "truth", "threshold": 0.4, "out": tmp_path, "seed": 1}
    first_look = certify(blank, 8, **given)
    assert first_look.value is None
    assert "none of which holds foreground" in first_look.caption()
    assert "--metric false_positive_rate, the same labels" in first_look.notes[-1]
    second = certify(blank, 8, **given, metric="false_positive_rate")
    assert [one.image for one in second.sample] == [one.image for one in first_look.sample]
    assert second.value is not None
    assert all(one.performance in (0.0, 1.0) for one in second.sample)
    for inside in (".", "images", "images/answer"):
        with pytest.raises(InputError, match="out must lie outside the site, got"):
            certify(place, 8, out=place / "site" / inside)
    none = certify(place, 8, labels=place / "truth", metric="false_positive_rate")
    assert none.value is None
    assert "each of which holds foreground" in none.caption()
    file = place / "truth" / f"{Path(none.sample[0].image).stem}.png"
    one = certify(
        place, 8, labels=shutil.copytree(place / "truth", tmp_path / "one", ignore=lambda _, names: {*names} - {file.name})
    )
    assert (one.labelled, one.value) == (1, None)
    assert not any("not defined" in note for note in one.notes)


def test_it_is_the_estimate_of_the_sampling_module(place: Path) -> None:
    found = certify(place, labels=place / "truth", level=0.8, seed=3)
    proxies = np.array(found.site.proxies)
    images = evaluation(place, threshold=0.5).images.set_index("image")["performance"]
    sample = draw(proxies, 8, seed=3)
    wanted = mean(images.to_numpy()[sample.indices], proxies, sample, level=0.8)
    assert [one.image for one in found.sample] == images.index[sample.indices].tolist()
    assert (found.value, found.low, found.high) == (wanted.value, wanted.low, wanted.high)
    assert [one.performance for one in found.sample] == images.to_numpy()[sample.indices].tolist()
    confidence = evaluation(place).images.set_index("image")["foreground_confidence"]
    assert dict(zip(found.site.images, found.site.proxies, strict=True)) == pytest.approx(confidence.to_dict())


def test_photographs_are_spread_and_recorded(place: Path) -> None:
    found = certify(place, group="00(.)")
    assert found.site.groups == tuple(name[2] for name in found.site.images)
    assert len({name[2] for name in found.site.images}) == 3
    (note,) = (note for note in certify(place, labels=place / "truth", group="00(.)").notes if "other groups" in note)
    assert "the answer is of the site's own 24 images" in note
    assert "labelled groups make that" in note


def test_a_question_is_looked_at_after_each_label(place: Path) -> None:
    found = certify(place, COUNT, labels=place / "truth", until="F >= 0.05")
    assert found.anytime
    assert [step.labelled for step in found.steps] == list(range(1, COUNT + 1))
    widths = [step.high - step.low for step in found.steps if step.high is not None and step.low is not None]
    assert len(widths) == COUNT
    assert (np.diff(widths) <= 1e-12).all()
    assert found.steps[0].settled is None
    assert (found.settled, found.until) == ("yes", "F >= 0.05")
    assert found.answer().startswith("settled after ")
    open_still = certify(place, COUNT, until="F >= 0.05")
    assert (open_still.value, open_still.settled, open_still.labelled) == (None, None, 0)


def test_more_images_go_on_in_the_same_order(place: Path, tmp_path: Path) -> None:
    few = certify(place, 5, until=0.05, out=tmp_path)
    assert len((tmp_path / "chosen.txt").read_text().splitlines()) == 5
    more = certify(place, 9, out=tmp_path)
    assert [one.image for one in more.sample][:5] == [one.image for one in few.sample]
    assert more.until == "±0.05"
    assert len((tmp_path / "chosen.txt").read_text().splitlines()) == 9
    with pytest.raises(InputError, match="k must be what it was"):
        certify(place, 4, out=tmp_path)


def a_model(at: Path, learnt: list[str]) -> Model:
    """A model that learnt from these images of the site; its network is never asked."""
    contents = [content_hash((at / "site" / "images" / name).read_bytes()) for name in learnt]
    data = {"primary": "roads", "images": len(learnt), "contents": contents, "started_from": None, "group": None}
    return Model(None, {}, CheckpointCard("deepcrack", {}, 32, "", {}, data, (), None, Provenance.now()))  # type: ignore[arg-type]  # not asked


def test_learnt_images_are_no_part_of_the_site(place: Path) -> None:
    found = certify(place, model=a_model(place, ["0003.jpg", "0007.jpg"]))
    assert found.n == COUNT - 2
    assert not {"0003.jpg", "0007.jpg"} & set(found.site.images)
    assert "2 images or files are no part of the site" in found.notes[0]
    assert "the model learnt from it" in found.notes[0]


def test_a_model_that_learnt_from_the_sample_is_refused(place: Path, tmp_path: Path) -> None:
    drawn = certify(place, out=tmp_path)
    name = drawn.sample[0].image
    for options in ({"out": tmp_path}, {"sample": tmp_path}, {"sample": drawn}):
        with pytest.raises(LeakError, match=f"1 of the images of the sample were learnt from, the first {name}"):
            certify(place, None, model=a_model(place, [name]), **options)
    other = next(image for image in drawn.site.images if image not in {one.image for one in drawn.sample})
    with pytest.raises(LeakError, match=f"of the site were learnt from, the first {other}"):
        certify(place, None, model=a_model(place, [other]), out=tmp_path)


def test_maps_that_are_signed_name_their_model(place: Path, tmp_path: Path) -> None:
    for file in (place / "maps").iterdir():
        write_map(tmp_path / file.name, np.asarray(Image.open(file)), '{"weights": "sha256:ab", "size": 32}')
    assert "the maps are of a checkpoint of howfar train: name it" in certify(place, predictions=tmp_path).notes[0]
    model = a_model(place, [])
    assert model.card is not None
    right = replace(model, card=replace(model.card, weights="sha256:ab"))
    assert certify(place, predictions=tmp_path, model=right).notes == ()
    wrong = replace(model, card=replace(model.card, weights="sha256:cd"))
    with pytest.raises(InputError, match="model is another one than made the maps"):
        certify(place, predictions=tmp_path, model=wrong)


def test_another_model_takes_the_sample_over(place: Path, tmp_path: Path) -> None:
    first_model = certify(place, out=tmp_path / "first", seed=5)
    shutil.copytree(place / "maps", tmp_path / "maps")
    for file in (tmp_path / "maps").iterdir():
        Image.fromarray(255 - np.asarray(Image.open(file))).save(file)
    found = certify(place, None, predictions=tmp_path / "maps", sample=tmp_path / "first", labels=place / "truth")
    assert [one.image for one in found.sample] == [one.image for one in first_model.sample]
    assert [one.probability for one in found.sample] == [one.probability for one in first_model.sample]
    assert found.seed == 5
    assert found.site.proxies != first_model.site.proxies
    assert found.value != certify(place, labels=place / "truth", seed=5).value
    shutil.copytree(place / "site", tmp_path / "site")
    (tmp_path / "site" / "images" / "0001.jpg").unlink()
    with pytest.raises(InputError, match="sample must be a sample of the same images"):
        howfar.certify(tmp_path / "site", place / "maps", sample=first_model, progress=False)


def test_a_model_makes_the_maps(place: Path, tmp_path: Path) -> None:
    network = nn.Conv2d(3, 1, 1)
    found = howfar.certify(place / "site", k=8, model=load_model(network, size=32), out=tmp_path, progress=False)
    assert len(list((tmp_path / "maps").iterdir())) == found.n == COUNT
    again = howfar.certify(
        place / "site", model=load_model(network, size=32), out=tmp_path, labels=place / "truth", progress=False
    )
    assert again.labelled == 8


def test_a_profile_predicts(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    site, masks, maps = write_site(other, 30, seed=1)
    shutil.copytree(masks, site / "masks")
    measured = howfar.evaluate(f"other={site}", maps, threshold=0.3, progress=False)
    profile = howfar.profile(
        f"roads={site}", "colour_moments", labelled=[f"other={site}"], performance=[measured], threshold=0.3,
        store=tmp_path / "store", progress=False,
    )  # fmt: skip
    file = profile.save(tmp_path / "roads.howfar")
    found = certify(place, profile=file, estimator="foreground_confidence", labels=place / "truth", out=tmp_path / "out")
    scores = profile.score(f"site={place / 'site'}", predictions=place / "maps", estimator="foreground_confidence")
    assert list(found.site.proxies) == pytest.approx([score.predicted for score in scores.images])
    assert (found.proxy, found.threshold) == ("foreground_confidence of the profile of roads", 0.3)
    assert certify(place, None, out=tmp_path / "out", labels=place / "truth").value == found.value
    said = ("predictions are by atc", "consensus would be used first, but needs predictions of the mirrored images")
    monkeypatch.setattr("howfar.relation.site_judge.notes", lambda *_: said)
    assert certify(place, profile=file).notes == said[1:]
    bare = howfar.profile(f"roads={site}", "colour_moments", store=tmp_path / "store", progress=False)
    with pytest.raises(InputError, match="the profile of roads holds no estimators of performance"):
        certify(place, profile=bare.save(tmp_path / "bare.howfar"))


def test_a_ratio_of_sums_is_drawn_by_size(place: Path, tmp_path: Path) -> None:
    found = certify(place, metric="f", out=tmp_path / "f", labels=place / "truth")
    assert (found.design, certify(place).design, certify(place, until=0.1).design) == ("size", "performance", "order")
    assert "fewer than 16 labels may miss them" in found.notes[-1]
    of_each = {one.stratum: 1 / one.probability for one in found.sample}
    assert len(of_each) > 1
    assert certify(place, None, metric="mean_f", out=tmp_path / "f", labels=place / "truth").metric == "mean_f"
    certify(place, out=tmp_path / "mean")
    for given in ({"out": tmp_path / "mean"}, {"sample": tmp_path / "mean"}):
        for later in ({"metric": "ods"}, {"until": 0.05}):
            with pytest.raises(InputError, match=f"{next(iter(later))} must be asked when the sample is drawn"):
                certify(place, None, **given, **later)
    asked = certify(place, until=0.2)
    other = certify(place, None, sample=asked, labels=place / "truth")
    assert (other.until, other.anytime, other.design) == ("±0.2", True, "order")


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"group": "00(.)", "until": 0.1}, "group is of no use where one looks"),
        ({"until": 0.1, "metric": "ods"}, "until can be asked of a mean over images only"),
        ({"until": "soon"}, "until must be a half width or a performance between 0 and 1"),
        ({"until": "±1.5"}, "until must be a half width or a performance between 0 and 1"),
        ({"until": "F == 0.5"}, "until must be a half width or a performance between 0 and 1"),
        ({"metric": "ods", "tolerance": 2.0}, "metric must be no ratio of sums where there is a tolerance, got 'ods'"),
        ({"flipped": "maps"}, "flipped is of use only to a profile's estimators"),
        ({"predictions": None}, "predictions must be given, or a model"),
        ({"predictions": None, "model": "network"}, "out must be given where a model makes the maps"),
    ],
)
def test_what_cannot_be_asked_is_one_line(given: dict[str, Any], line: str, place: Path) -> None:
    if "model" in given:
        given = {**given, "model": load_model(nn.Conv2d(3, 1, 1), size=32)}
    with pytest.raises(InputError, match=line):
        certify(place, **given)


def test_values_in_memory() -> None:
    predicted, truth = values()
    drawn = howfar.certify(predicted, k=20, seed=1)
    assert (drawn.value, drawn.labelled, len(drawn.sample), drawn.n) == (None, 0, 20, 400)
    order = [one.index for one in drawn.sample]
    found = howfar.certify(predicted, k=20, seed=1, labels=truth[order])
    sample = sample_of(drawn.sample)
    wanted = mean(truth[order], predicted, sample)
    assert (found.value, found.low, found.high) == (wanted.value, wanted.low, wanted.high)
    assert found.low < truth.mean() < found.high  # type: ignore[operator]
    assert howfar.certify(predicted.tolist(), k=20, seed=1, labels=truth[order]).value == found.value
    part = howfar.certify(predicted, k=20, seed=1, labels=truth[order][:13])
    assert (part.labelled, part.sample[12].labelled, part.sample[13].labelled) == (13, True, False)
    whole = howfar.certify(predicted, k=400, labels=truth[[one.index for one in howfar.certify(predicted, k=400).sample]])
    assert whole.value == whole.low == whole.high == pytest.approx(truth.mean(), abs=1e-12)


def test_values_that_are_asked_until() -> None:
    predicted, truth = values()
    order = [one.index for one in howfar.certify(predicted, k=200, until="±0.05").sample]
    few = howfar.certify(predicted, k=200, until="±0.05", labels=truth[order][:20])
    found = howfar.certify(predicted, k=200, until="±0.05", labels=truth[order])
    assert (few.settled, found.settled) == (None, "yes")
    assert few.answer().endswith("more labels needed")  # drawn already
    used_up = howfar.certify(predicted, k=20, until="±0.05", labels=truth[order][:20])
    assert used_up.answer().endswith(f"about {used_up.needed} more labels needed: -k {20 + (used_up.needed or 0)}")
    stop = next(step.labelled for step in found.steps if step.settled)
    assert 0.5 * (stop - 20) <= few.needed <= 2 * (stop - 20)  # type: ignore[operator]
    assert howfar.certify(predicted, until="F >= 0.99", labels=truth[order][:30]).settled == "no"


def test_the_first_of_a_sample_hold_the_truth() -> None:
    """A sample that is cut short in its random order has intervals of its level, on a site where predictions mislead."""
    predicted, truth = values(seed=2)
    held = []
    for seed in range(200):
        sample = draw(predicted, 16, seed=seed)
        part = first(sample, 10)
        assert (part is None) == (set(sample.strata[:10]) != set(sample.strata))
        if part is not None:
            estimate = mean(truth[part.indices], predicted, part)
            held.append(estimate.low <= truth.mean() <= estimate.high)
            assert part.population == 400
    assert len(held) > 150
    assert np.mean(held) >= 0.87


@pytest.mark.parametrize(
    ("text", "written"),
    [("±0.05", "±0.05"), ("+-.05", "±0.05"), ("+/-0.05", "±0.05"), ("0.05", "±0.05"), (0.05, "±0.05"),
     ("F >= 0.6", "F >= 0.6"), (">=0.6", "F >= 0.6"), ("iou ≥ .6", "iou >= 0.6"), ("F<=0.3", "F <= 0.3")],
)  # fmt: skip
def test_questions_as_people_write_them(text: str, written: str) -> None:
    assert parse_until(text)[0] == written


def test_masks_outlive_a_damaged_certificate(tmp_path: Path) -> None:
    site, truth, maps = write_site(tmp_path, 12)

    def certify() -> Certificate:
        return howfar.certify(site, maps, 4, out=tmp_path / "out", progress=False)

    drawn = certify()
    file = tmp_path / "out" / "certificate.json"
    whole = file.read_text()
    file.write_text(whole[:-20])
    with pytest.raises(StoreError, match=r"damaged .*: no labels are in its folder; move certificate\.json away"):
        certify()
    masks = tmp_path / "out" / "masks"
    masks.mkdir(exist_ok=True)
    for one in drawn.sample[:3]:
        (masks / f"{Path(one.image).stem}.png").write_bytes((truth / f"{Path(one.image).stem}.png").read_bytes())
    with pytest.raises(StoreError) as caught:
        certify()
    assert f"the labels in {masks} (3 files) are kept; move certificate.json away and run the same command" in str(caught.value)
    assert "\n" not in str(caught.value)
    file.rename(file.with_suffix(".bad"))
    again = certify()
    assert [one.image for one in again.sample] == [one.image for one in drawn.sample]
    assert again.labelled == 3


@pytest.fixture
def empty(tmp_path: Path) -> tuple[Path, Path]:
    """Write ten small images and maps in which nothing is predicted."""
    images, maps = tmp_path / "images", tmp_path / "maps"
    for folder in (images, maps):
        folder.mkdir()
    for number in range(10):
        Image.fromarray(np.full((8, 8), number, np.uint8)).save(images / f"{number}.png")
        Image.new("L", (8, 8)).save(maps / f"{number}.png")
    return images, maps


@pytest.mark.parametrize("labels", ["a", {}, ["a"], [float("inf")], [2.0]])
def test_labels_that_are_no_shares_are_refused_by_their_name(labels: Any) -> None:
    with pytest.raises(InputError, match=r"^labels must"):
        howfar.certify([0.5] * 9, k=4, labels=labels)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"labels": np.zeros(9)}, "labels must be one row of at most 4"),
        ({"metric": "ods"}, "metric is of use only to a site of images"),
        ({"predictions": "maps"}, "predictions is of use only to a site of images"),
        ({"out": "here"}, "out is of use only to a site of images"),
        ({"site": np.array(["a"])}, "site must be numbers"),
    ],
)
def test_values_in_memory_take_no_more(given: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=f"^{line}"):
        howfar.certify(**{"site": [0.5] * 20, "k": 4, **given})


@pytest.mark.parametrize("metric", ["f", "iou", "precision", "ods"])
def test_a_ratio_can_be_drawn_for_where_nothing_is_predicted(empty: tuple[Path, Path], metric: str) -> None:
    assert len(howfar.certify(*empty, 9, metric=metric, progress=False)) == 9


@pytest.mark.parametrize("part", ["images", "contents", "predictions", "index", "twice"])
def test_a_certificate_whose_sample_does_not_fit_its_site_is_refused(empty, tmp_path, part):
    drawn = howfar.certify(*empty, 4, out=tmp_path / "out", progress=False)
    if part in ("images", "contents", "predictions"):
        damaged = replace(drawn, site=replace(drawn.site, **{part: getattr(drawn.site, part)[:-1]}))
    else:
        wrong = {"index": 99} if part == "index" else {"image": drawn.sample[1].image}
        damaged = replace(drawn, sample=(replace(drawn.sample[0], **wrong), *drawn.sample[1:]))
    damaged.save(tmp_path / "out")
    with pytest.raises(InputError, match="is damaged, its sample does not fit"):
        howfar.certify(*empty, out=tmp_path / "out", progress=False)
    with pytest.raises(InputError, match="is damaged, its sample does not fit"):
        howfar.certify(*empty, sample=damaged, progress=False)
