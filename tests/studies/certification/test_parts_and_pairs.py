"""Certificates of the zone of a site that may be used, and of the better of two models."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import howfar
from howfar.data.prediction_maps import write_map
from howfar.errors import InputError
from howfar.results.certificate_result import Certificate
from howfar.sampling import difference, plan_zone, zone_tests
from howfar.studies.certification.certified_quantity import share_below
from howfar.studies.certification.certify import plan_labels
from sites_with_maps import write_site

COUNT = 30


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with maps, and maps of a second model, which finds nothing on the first half and the same on the second."""
    folder = tmp_path_factory.mktemp("pairs")
    _, _, maps = write_site(folder, COUNT)
    for number, file in enumerate(sorted(maps.iterdir())):
        values = np.asarray(Image.open(file))
        write_map(folder / "second" / file.name, np.zeros_like(values) if number < COUNT // 2 else values)
    return folder


def certify(at: Path, k: int | None = None, **given: Any) -> Certificate:
    return howfar.certify(at / "site", at / "maps", k, progress=False, threshold=0.4, **given)


def measured(at: Path, maps: str, names: list[str]) -> np.ndarray:
    found = []
    for name in names:
        truth = np.asarray(Image.open(at / "truth" / f"{Path(name).stem}.png")) > 0
        stored = np.asarray(Image.open(at / maps / f"{Path(name).stem}.png"))
        predicted = stored / np.iinfo(stored.dtype).max > 0.4
        found.append(2 * (truth & predicted).sum() / (truth.sum() + predicted.sum()))
    return np.array(found)


def test_a_zone_is_drawn_labelled_and_listed_and_grows(place: Path, tmp_path: Path) -> None:
    asked = {"zone": True, "at_least": 0.2, "wrong": 0.3, "out": tmp_path / "out"}
    drawn = certify(place, 12, **asked)
    assert (drawn.value, drawn.design, drawn.labelled) == (None, "zone", 0)
    assert "labels test the" in drawn.answer()
    proxies = np.array(drawn.site.proxies, dtype=float)
    plan = plan_zone(proxies, 12, at_least=0.2, wrong=0.3, seed=drawn.seed)
    assert [one.index for one in drawn.sample] == plan.images.tolist()

    found = certify(place, 12, labels=place / "truth", **asked)
    tests = zone_tests(plan.zone, measured(place, "maps", [one.image for one in found.sample]))
    assert found.zone is not None
    assert found.zone.tests == tests
    size = max((test.images for test in tests if test.passed), default=0)
    assert found.value == size / COUNT
    listed = (tmp_path / "out" / "zone.txt").read_text().split()
    assert listed == [found.site.images[index] for index in plan.zone.ranking[:size]]
    assert Certificate.load(tmp_path / "out").zone == found.zone
    assert share_below(found, 0.5) is None
    assert "may the model be used?" in (tmp_path / "out" / "report.html").read_text()

    more = certify(place, COUNT, labels=place / "truth", out=tmp_path / "out")
    assert [one.image for one in more.sample][: len(found.sample)] == [one.image for one in found.sample]
    assert more.zone is not None
    assert more.zone.sizes[: len(found.zone.sizes)] == found.zone.sizes


def test_a_zone_of_values_in_memory() -> None:
    predicted = np.linspace(0.1, 1.0, 300)
    drawn = howfar.certify(predicted, k=60, zone=True, at_least=0.6)
    found = howfar.certify(predicted, k=60, zone=True, at_least=0.6, labels=predicted[[one.index for one in drawn.sample]])
    assert found.zone is not None
    assert 90 <= found.zone.certified <= 148
    assert found.caption().startswith("values: zone in which at most 10 % of images score less than 0.6")


def test_the_better_of_two_models_is_named_where_their_maps_differ(place: Path, tmp_path: Path) -> None:
    found = certify(place, labels=place / "truth", against=place / "second", out=tmp_path / "out")
    names = [one.image for one in found.sample]
    assert len(names) == COUNT // 2  # equal maps cost no label
    values = measured(place, "maps", names) - measured(place, "second", names)
    known = difference(values, found.site.proxies, [one.index for one in found.sample])
    assert [step.value for step in found.steps] == known.value.tolist()
    assert (found.settled, found.until, found.anytime) == ("yes", "decided", True)
    assert found.answer() == f"settled after {known.stop} labels: the first model is better"
    assert found.value == pytest.approx(values.sum() / COUNT, abs=1e-12)
    assert "Which of two models is better" in (tmp_path / "out" / "report.html").read_text()
    # The second is remembered, and its maps must be the same.
    assert certify(place, labels=place / "truth", out=tmp_path / "out").value == found.value


def test_equal_models_need_no_label(place: Path, tmp_path: Path) -> None:
    found = certify(place, against=place / "maps", out=tmp_path / "out")
    assert (len(found.sample), found.value, found.low, found.high) == (0, 0.0, 0.0, 0.0)
    assert found.answer() == "both models predict the same of every image: no label is needed"
    assert "no label is needed" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"zone": True}, "at_least must be given with a zone"),
        ({"at_least": 0.5}, "at_least is of use only to a zone"),
        ({"zone": True, "at_least": 0.5, "k": 1}, "k must be at least"),
        ({"zone": True, "at_least": 0.5, "metric": "f"}, "metric must be mean_f"),
        ({"zone": True, "at_least": 0.5, "group": "(.)"}, "group must be left out with zone"),
        ({"zone": True, "at_least": 0.5, "until": "±0.1"}, "zone cannot be asked with until"),
        ({"until": "decided"}, "until can be decided between two models only"),
        ({"against": "second", "until": "F >= 0.5"}, "until must be decided or a half width"),
        ({"against": "second", "metric": "ods"}, "metric must be mean_f"),
        ({"against": "nowhere"}, "nowhere"),
    ],
)
def test_questions_that_cannot_be_asked_get_one_line(asked: dict[str, Any], line: str, place: Path) -> None:
    given = {**asked, **({"against": place / asked["against"]} if "against" in asked else {})}
    with pytest.raises(howfar.HowfarError, match=line):
        certify(place, **given)


def test_maps_of_other_sizes_and_missing_ones_are_named(place: Path, tmp_path: Path) -> None:
    for file in (place / "maps").iterdir():
        write_map(tmp_path / "small" / file.name, np.zeros((5, 5), dtype=np.uint8))
    with pytest.raises(InputError, match="against must hold maps of the same sizes"):
        certify(place, against=tmp_path / "small")
    next((tmp_path / "small").iterdir()).unlink()
    with pytest.raises(InputError, match="against must hold a map of each image"):
        certify(place, against=tmp_path / "small")


def test_another_question_needs_another_draw(place: Path, tmp_path: Path) -> None:
    certify(place, 16, out=tmp_path / "mean")
    with pytest.raises(InputError, match="zone must be asked when the sample is drawn"):
        certify(place, 16, out=tmp_path / "mean", zone=True, at_least=0.5)
    with pytest.raises(InputError, match="against must be asked when the sample is drawn"):
        certify(place, out=tmp_path / "mean", against=place / "second")
    certify(place, 20, out=tmp_path / "zone", zone=True, at_least=0.5)
    with pytest.raises(InputError, match=r"at_least must be what it was when the sample was drawn \(0.5\)"):
        certify(place, 20, out=tmp_path / "zone", zone=True, at_least=0.6)


def test_a_plan_names_labels_and_writes_nothing(place: Path) -> None:
    before = sorted(place.rglob("*"))
    asked = {"predictions": place / "maps", "threshold": 0.4, "progress": False}
    plan = plan_labels(place / "site", until="F >= 0.05", **asked)
    labels = {row.question: row.labels for row in plan.rows}
    assert list(labels) == ["mean F at threshold 0.40 to ±0.1", "mean F at threshold 0.40 to ±0.05", "F >= 0.05"]
    assert all(1 <= (count or 0) <= COUNT for count in labels.values())
    zones = plan_labels(place / "site", zone=True, at_least=0.05, wrong=0.3, **asked)
    assert [row.labels for row in zones.rows] == [COUNT]
    assert zones.rows[0].answer.endswith("% of the site")
    assert sorted(place.rglob("*")) == before
    with pytest.raises(InputError, match="metric must be a mean over images to be planned for"):
        plan_labels(place / "site", metric="f", **asked)
    for name, rule in (("against", "is of use to one model"), ("labels", "is made before any image is labelled")):
        with pytest.raises(InputError, match=f"plan {rule}"):
            plan_labels(place / "site", **{name: place / "second"}, **asked)


def test_labels_with_nothing_to_find_are_told_of_and_are_not_below() -> None:
    predicted = np.linspace(0.1, 1.0, 60)
    drawn = howfar.certify(predicted, k=30, zone=True, at_least=0.6, wrong=0.3)
    found = howfar.certify(predicted, k=30, zone=True, at_least=0.6, wrong=0.3, labels=[None] * len(drawn.sample))
    assert found.zone is not None
    assert all(test.below == 0 for test in found.zone.tests)
    assert f"{len(drawn.sample)} labelled images have nothing to find" in " ".join(found.notes)
