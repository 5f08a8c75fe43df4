from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import howfar
from howfar.data import parse
from howfar.errors import InputError
from howfar.pipeline.reference_profile import Profile
from howfar.relation.image_columns import CONFIDENCES
from howfar.results import Evaluation
from howfar.studies.evaluation.evaluate import evaluate

SETS = ("a", "b", "c")


def rows(seed: int, n: int, spread: float = 1.0) -> np.ndarray:
    """Images at falling and rising distances from the origin, where the primary's lie."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 12)) * np.linspace(0.5, spread, n)[:, None]


def performance_of(relative: np.ndarray, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0.0, 0.03, size=len(relative))
    return np.clip(1.1 - 0.35 * relative + noise, 0.0, 1.0)


@pytest.fixture(scope="module")
def labelled() -> dict[str, np.ndarray]:
    return {
        name: rows(seed, 40, spread) for seed, (name, spread) in enumerate(zip(SETS, (1.5, 2.0, 3.0), strict=True), start=1)
    }


@pytest.fixture(scope="module")
def table(labelled: dict[str, np.ndarray]) -> pd.DataFrame:
    plain = howfar.profile(rows(0, 60), components=12)
    relative = {name: plain.measure(array)["relative"] for name, array in labelled.items()}
    parts = [
        pd.DataFrame({"dataset": name, "image": [f"row-{i}" for i in range(40)], "performance": performance_of(values, seed)})
        for seed, (name, values) in enumerate(relative.items())
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def made(labelled: dict[str, np.ndarray], table: pd.DataFrame) -> Profile:
    return howfar.profile(
        rows(0, 60), components=12, labelled=[parse(array, name) for name, array in labelled.items()], performance=table
    )


def test_what_falls_with_distance_is_predicted_from_distance(made: Profile) -> None:
    new = rows(9, 50, 2.5)
    truth = performance_of(made.measure(new)["relative"], seed=9)
    scores = made.score(new)
    assert {one.estimator for one in scores.images} <= {"i_dist", "knn", "mahalanobis", "distances"}
    predicted, low, high = (
        np.array([getattr(one, name) for one in scores.images]) for name in ("predicted", "predicted_low", "predicted_high")
    )
    assert np.abs(predicted - truth).mean() < 0.06
    assert ((low <= truth) & (truth <= high)).mean() > 0.8
    assert all(one.flag is (one.predicted < 0.5) for one in scores.images if one.predicted is not None)
    assert 0 < len(scores.flagged) < 50
    assert "is below 0.5" in scores.flagged[0].reason
    (note,) = scores.notes
    assert "with each of 3 labelled datasets left out in turn" in note
    assert "for predicting their mean" in note
    assert "intervals" in note


def test_what_estimators_read_has_no_unit() -> None:
    p, s = rows(0, 40), rows(1, 10, 2.0)
    metres, millimetres = (howfar.profile(unit * p, components=12) for unit in (1.0, 1000.0))
    ours, theirs = metres.columns(metres.measure(s)), millimetres.columns(millimetres.measure(1000.0 * s))
    assert set(ours) == {"i_dist", "knn", "mahalanobis", "residual"}
    for name, values in ours.items():
        np.testing.assert_allclose(theirs[name], values, rtol=1e-9)
    np.testing.assert_allclose(ours["i_dist"], metres.measure(s)["relative"])


def test_estimators_survive_the_file_bit_for_bit(made: Profile, tmp_path: Path) -> None:
    back = Profile.load(made.save(tmp_path / "roads.howfar"))
    assert json.dumps(back.judge.to_dict()) == json.dumps(made.judge.to_dict())
    assert back.score(rows(9, 20, 2.0)).images == made.score(rows(9, 20, 2.0)).images
    for name in made.judge.fits:
        ours, theirs = (one.score(rows(9, 5), estimator=name).images for one in (made, back))
        assert ours == theirs


def test_what_does_not_fit_is_refused(labelled: Any, table: pd.DataFrame) -> None:
    sets = [parse(array, name) for name, array in labelled.items()]
    with pytest.raises(InputError, match=r"its only image \(x\) is not in the run"):
        howfar.profile(
            rows(0, 60), components=12, labelled=sets, performance=pd.DataFrame({"image": ["x"], "performance": [0.5]})
        )
    with pytest.raises(InputError, match="performance must lie between 0 and 1"):
        howfar.profile(rows(0, 60), components=12, labelled=sets, performance=table.assign(performance=3.0))
    with pytest.raises(InputError, match="must be known of some labelled image"):
        howfar.profile(rows(0, 60), components=12, labelled=sets, performance=table.assign(performance=np.nan))
    with pytest.raises(InputError, match="names of their own"):
        howfar.profile(rows(0, 60), components=12, labelled=[sets[0], sets[0]], performance=table)
    with pytest.raises(InputError, match="is of no use: the profile of primary holds no estimators"):
        howfar.profile(rows(0, 60)).score(rows(1, 2), estimator="mean")


def test_what_is_odd_about_the_labelled_sets_is_said(labelled: Any, table: pd.DataFrame) -> None:
    p = rows(0, 60)
    sets = [parse(np.concatenate([labelled["a"], p[:2]]), "a"), parse(labelled["b"], "b"), parse(labelled["c"], "c")]
    known = table[(table.dataset != "c") | (table.image == "row-0")].assign(
        performance=lambda t: t.performance.where(t.dataset != "c")
    )
    extra = pd.DataFrame({"dataset": "b", "image": ["gone"], "performance": [0.5]})
    made = howfar.profile(p, labelled=sets, performance=pd.concat([known, extra]))
    notes = " / ".join(made.score(rows(9, 1)).notes)
    assert "c has no image with a performance" in notes
    assert "a shares 2 images with primary" in notes
    assert "the performance of b tells of 1 images that are not in it" in notes


def write_maps(folder: Path, out: Path, seed: int) -> None:
    """Maps whose confidence tells how good they are: the mask, faint or strong, over noise."""
    rng = np.random.default_rng(seed)
    for sub in ("maps", "flips"):
        (out / sub).mkdir(parents=True, exist_ok=True)
    for place, file in enumerate(sorted((folder / "masks").iterdir())):
        mask = np.asarray(Image.open(file).convert("L")) > 127
        strength = 0.35 + 0.6 * place / 12
        map_ = np.clip(mask * strength + rng.uniform(0.0, 0.3, size=mask.shape), 0, 1)
        Image.fromarray((255 * map_).astype(np.uint8)).save(out / "maps" / f"{file.stem}.png")
        Image.fromarray((255 * map_[:, ::-1] * strength).astype(np.uint8)).save(out / "flips" / f"{file.stem}.png")


@pytest.fixture(scope="module")
def with_maps(demo_folders: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Profile, list[Evaluation], Path]:
    out = tmp_path_factory.mktemp("maps")
    for seed, folder in enumerate(demo_folders[1:4]):
        write_maps(folder, out / folder.name, seed)
    known = [
        evaluate(
            folder, out / folder.name / "maps", flipped=out / folder.name / "flips", threshold=0.5, partial=True, progress=False
        )
        for folder in demo_folders[1:4]
    ]
    made = howfar.profile(
        demo_folders[0], "colour_moments", labelled=demo_folders[1:4], performance=known, threshold=0.5, progress=False
    )
    return made, known, out


def test_signals_of_maps_are_those_that_the_estimators_learnt_from(
    with_maps: tuple[Profile, list[Evaluation], Path], demo_folders: list[Path]
) -> None:
    made, known, out = with_maps
    assert {*CONFIDENCES, "atc", "signals"} - {"mean_probability", "predicted_foreground", "entropy"} <= set(made.judge.fits)
    folder = demo_folders[1]
    names = {Path(one.image).stem for one in made.score(folder).images}
    for name in ("foreground_confidence", "flip_agreement", "atc"):
        options = {"predictions": out / folder.name / "maps", "flipped": out / folder.name / "flips", "estimator": name}
        scores = {Path(one.image).stem: one for one in made.score(folder, **options).images}
        assert set(scores) == names
        fit = made.judge.fits[name]
        columns = {
            column: np.stack([np.asarray(value, float) for value in known[0].images[column]])
            for column in (*fit.needs, "entropy")
        }
        for stem, wanted in zip(known[0].images["image"].map(lambda x: Path(x).stem), fit.predict(columns)[0], strict=True):
            assert scores[stem].predicted == pytest.approx(wanted, abs=1e-12)
            assert scores[stem].estimator == name


def test_an_image_without_its_map_falls_back_and_says_so(
    with_maps: tuple[Profile, list[Evaluation], Path], demo_folders: list[Path], tmp_path: Path
) -> None:
    made, _, out = with_maps
    folder = demo_folders[2]
    maps = tmp_path / "maps"
    maps.mkdir()
    sources = sorted((out / folder.name / "maps").iterdir())
    for source in sources[1:]:
        (maps / source.name).write_bytes(source.read_bytes())
    (maps / sources[1].name).write_text("no picture")
    scores = made.score(folder, predictions=maps)
    bad = [one for one in scores.images if Path(one.image).stem in {source.stem for source in sources[:2]}]
    assert [("no map" in one.reason, "its map" in one.reason) for one in bad] == [(True, False), (False, True)]
    assert {one.estimator for one in bad} <= {"mean", "i_dist", "knn", "mahalanobis", "distances"}
    good = [one for one in scores.images if one not in bad]
    assert not any("map" in one.reason for one in good)
    named = made.score(folder, predictions=maps, estimator="foreground_confidence")
    by_stem = {Path(one.image).stem: one for one in named.images}
    assert by_stem[sources[0].stem].estimator == "mean"
    assert by_stem[sources[2].stem].estimator == "foreground_confidence"


def test_tiles_of_one_photograph_are_calibrated_on_together() -> None:
    """One labelled set whose photographs' tiles lie apart: without `group` each tells what its other tiles score."""
    rng = np.random.default_rng(0)
    photographs = np.tile(np.arange(20), 4)
    names = tuple(f"{tile:02d}-{photo:02d}" for tile, photo in enumerate(photographs))
    labelled = replace(parse(rng.normal(size=(80, 6)), "a"), images=names)
    performance = np.clip(0.5 + 0.2 * rng.normal(size=20), 0, 1)[photographs]
    table = pd.DataFrame({"image": names, "performance": performance})

    def left_out(group: str | None) -> np.ndarray:
        made = howfar.profile(rows(0, 60)[:, :6], labelled=labelled, performance=table, group=group)
        return made.judge.fits["mean"].estimates

    for estimate, truth in zip(left_out(r"\d+-(.+)"), performance, strict=True):
        others = performance[photographs // 2 != photographs[np.argmax(performance == truth)] // 2]
        assert estimate == pytest.approx(others.mean())
    assert not np.allclose(left_out(None), left_out(r"\d+-(.+)"))
    with pytest.raises(InputError, match="group must have a group in brackets"):
        left_out(".+")
