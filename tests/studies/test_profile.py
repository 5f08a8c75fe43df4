"""A profile scores as compare measures and as its estimators learnt; its file, its weights, and primaries that say nothing."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import howfar
from howfar.arrays import ArrayRows
from howfar.data import parse
from howfar.errors import HowfarError, InputError, MissingPathError, StoreError
from howfar.pipeline.profile_file import Profile
from howfar.relation.labelled_images import CONFIDENCES
from howfar.results import Evaluation, Features
from howfar.results.scores import Score
from howfar.studies.evaluate_predictions import evaluate

DISTANCES = ["i_dist", "i_dist_mean", "knn", "mahalanobis"]
QUIET: dict[str, Any] = {"permutations": 0, "bootstrap": 0, "baselines": False, "progress": False}


def rows(seed: int, n: int, q: int = 40, shift: float = 0.0, offset: float = 0.0) -> np.ndarray:
    return offset + np.random.default_rng(seed).normal(shift, 1.0, size=(n, q)) * np.linspace(3, 0.3, q)


def features(name: str, array: np.ndarray, kind: str = "test") -> Features:
    names = tuple(f"{name}-{i}" for i in range(len(array)))
    layers = (array.shape[1] // 4, array.shape[1] - array.shape[1] // 4)
    identity = {"kind": kind, "preprocessing": {"size": [8, 8]}}
    return Features(name, ArrayRows(array), names, ("",) * len(array), tuple(f"{name}{i}" for i in names), layers, identity)


def same(one: Profile, other: Profile) -> bool:
    arrays = [(x.basis.mean, x.basis.matrix, x.basis.explained_variance_ratio, x.rows, x.own) for x in (one, other)]
    plain = [replace(x, basis=None, rows=None, own=None, judge=None).__dict__ for x in (one, other)]
    return plain[0] == plain[1] and all(
        np.array_equal(a, b) and a.dtype == b.dtype if a is not None else b is None for a, b in zip(*arrays, strict=True)
    )


@pytest.fixture(scope="module")
def made() -> Profile:
    return howfar.profile(rows(0, 60), components=8)


@pytest.mark.parametrize(("n", "q"), [(80, 40), (30, 400)], ids=["covariance", "gram"])
@pytest.mark.parametrize("scale", ["none", "layers"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_are_those_of_compare_with_the_primary_projection(n, q, scale, dtype, tmp_path):
    p = features("roads", rows(0, n, q, offset=50.0).astype(dtype))
    s = features("site", rows(1, 25, q, shift=0.7, offset=50.0).astype(dtype))
    settings: dict[str, Any] = {"components": 12, "scale": scale, "neighbours": 4}
    wanted = howfar.compare(p, s, projection="primary", **settings, **QUIET)
    profile = Profile.load(howfar.profile(p, **settings).save(tmp_path / "roads.howfar"))
    found = profile.score(s).to_frame()
    for name in DISTANCES:
        np.testing.assert_allclose(found[name], wanted.images[name], rtol=1e-9)
    for name in ("percentile", "p_value"):
        np.testing.assert_array_equal(found[name], wanted.images[name])
    assert found["relative"].mean() == pytest.approx(wanted.datasets[0].relative, rel=1e-12)
    assert profile.self_distance == pytest.approx(wanted.primary.self_distance, rel=1e-12)
    assert profile.explained_variance == pytest.approx(wanted.datasets[0].explained_variance, rel=1e-12)
    one = profile.score(replace(s, rows=ArrayRows(s.rows.rows(3, 4)), images=s.images[3:4], paths=("",), contents=("c",)))
    np.testing.assert_allclose([getattr(one.images[0], name) for name in DISTANCES], found.loc[3, DISTANCES], rtol=1e-9)


def test_images_score_as_compare_measures_them(demo_folders: list[Path], tmp_path: Path) -> None:
    wanted = howfar.compare(demo_folders[0], demo_folders[1:3], "colour_moments", projection="primary", **QUIET)
    profile = Profile.load(howfar.profile(demo_folders[0], "colour_moments", progress=False).save(tmp_path / "roads.howfar"))
    found = profile.score(demo_folders[1:3], batch_size=5, workers=2)
    frame = found.to_frame()
    assert list(frame["image"]) == list(wanted.images["path"])
    assert list(frame["dataset"]) == list(wanted.images["dataset"])
    np.testing.assert_allclose(frame[[*DISTANCES, "p_value"]], wanted.images[[*DISTANCES, "p_value"]], rtol=1e-9)
    scorer = profile.scorer()
    alone = [scorer.one(path) for path in wanted.images["path"][:3]]
    assert [one.i_dist for one in alone if isinstance(one, Score)] == pytest.approx(list(frame["i_dist"][:3]), rel=1e-9)
    stored = profile.score(demo_folders[1:3], store=tmp_path / "store")
    again = profile.score(demo_folders[1:3], store=tmp_path / "store")
    np.testing.assert_allclose(stored.to_frame()[DISTANCES], frame[DISTANCES], rtol=1e-9)
    assert again.images == stored.images
    assert len(list((tmp_path / "store").rglob("shards/*.npy"))) == 2, "one shard a batch, and none for the second time"


def test_every_cut_and_every_flipped_byte_of_the_arrays_is_noticed(made: Profile, tmp_path: Path) -> None:
    data = made.save(tmp_path / "roads.howfar").read_bytes()
    file = tmp_path / "damaged.howfar"
    for length in [0, 1, 30, *range(100, len(data), len(data) // 40), len(data) - 1]:
        file.write_bytes(data[:length])
        with pytest.raises(StoreError) as caught:
            Profile.load(file)
        assert "\n" not in str(caught.value)
        assert "damaged.howfar" in str(caught.value)
    start = data.index(b"\x93NUMPY")
    for place in range(start, len(data), 97):
        file.write_bytes(data[:place] + bytes([data[place] ^ 0x40]) + data[place + 1 :])
        try:
            back = Profile.load(file)
        except StoreError:
            continue
        # What no checksum covers (names and dates in the zip's own headers) may change without harm to a number.
        assert same(made, back)


def test_files_that_are_no_profile_and_a_run_folder_that_stands_for_its_profile(made: Profile, tmp_path: Path) -> None:
    with pytest.raises(MissingPathError, match=r"nothing at .*absent\.howfar"):
        Profile.load(tmp_path / "absent.howfar")
    (tmp_path / "text.howfar").write_text("a text")
    np.savez(tmp_path / "arrays.npz", x=np.arange(3))
    for name in ("text.howfar", "arrays.npz"):
        with pytest.raises(StoreError):
            Profile.load(tmp_path / name)
    with pytest.raises(MissingPathError, match=r"is a folder without profile\.howfar: pass a profile, or a run folder of"):
        Profile.load(tmp_path)
    made.save(tmp_path / "profile.howfar")
    assert same(Profile.load(tmp_path), made)
    with pytest.raises(InputError, match="file must be one that can be written"):
        made.save(tmp_path / "no" / "such" / "folder" / "roads.howfar")


def test_local_weights_that_changed_or_went_are_noticed(demo_folders: list[Path], tmp_path: Path) -> None:
    import timm
    import torch

    weights = tmp_path / "weights.pth"
    network = timm.create_model("test_resnet", pretrained=False)
    torch.save(network.state_dict(), weights)
    small = tmp_path / "small"
    small.mkdir()
    for image in sorted((demo_folders[0] / "images").iterdir())[:4]:
        shutil.copy(image, small)
    profile = howfar.profile(small, "timm:test_resnet", weights=weights, device="cpu", progress=False)
    assert profile.options == {"weights": str(weights)}, "a device is no part of a profile"
    assert len(profile.score(small, device="cpu")) == 4
    moved = shutil.move(weights, tmp_path / "moved.pth")
    with pytest.raises(MissingPathError, match=r"weights must be a file.*name the file with weights"):
        profile.score(small)
    assert len(profile.score(small, weights=moved)) == 4
    state = network.state_dict()
    state["conv1.weight" if "conv1.weight" in state else next(iter(state))].mul_(1.5)
    torch.save(state, weights)
    with pytest.raises(InputError, match=r'timm:test_resnet .* differs in weights: "sha256:\w{64}" and "sha256:\w{64}"'):
        profile.score(small)


def test_a_primary_that_has_no_spread_or_a_single_image() -> None:
    single = howfar.profile(rows(0, 1))
    (one,) = single.score(rows(1, 1)).images
    assert (one.relative, one.mahalanobis, one.percentile, one.p_value, one.flag) == (None,) * 5
    assert one.reason == "primary has too few images or groups to tell, or all alike"
    assert any("single image" in note for note in single.notes())
    equal = howfar.profile(np.repeat(rows(0, 1), 30, axis=0))
    (one,) = equal.score(rows(1, 1)).images
    assert (one.relative, one.mahalanobis, one.percentile, one.p_value, one.flag) == (None,) * 5
    assert equal.notes()[0] == "the images of primary are all alike: no distance from them can be told"
    few = howfar.profile(rows(0, 12), neighbours=20, components=25)
    assert len(few.notes()) == 3
    assert few.score(rows(1, 1)).notes == few.notes()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"backbone": "pixels"}, "backbone must be left out"),
        ({"device": "cpu"}, "options are of no use to ready-made embeddings"),
    ],
)
def test_a_bad_setting_is_one_line(change: dict[str, Any], words: str) -> None:
    with pytest.raises(HowfarError) as caught:
        howfar.profile(rows(0, 5), **change)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


SETS = ("a", "b", "c")


def spread_rows(seed: int, n: int, spread: float = 1.0) -> np.ndarray:
    """Images at falling and rising distances from the origin, where the primary's lie."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 12)) * np.linspace(0.5, spread, n)[:, None]


def performance_of(relative: np.ndarray, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0.0, 0.03, size=len(relative))
    return np.clip(1.1 - 0.35 * relative + noise, 0.0, 1.0)


@pytest.fixture(scope="module")
def labelled() -> dict[str, np.ndarray]:
    return {
        name: spread_rows(seed, 40, spread)
        for seed, (name, spread) in enumerate(zip(SETS, (1.5, 2.0, 3.0), strict=True), start=1)
    }


@pytest.fixture(scope="module")
def table(labelled: dict[str, np.ndarray]) -> pd.DataFrame:
    plain = howfar.profile(spread_rows(0, 60), components=12)
    relative = {name: plain.measure(array)["relative"] for name, array in labelled.items()}
    parts = [
        pd.DataFrame({"dataset": name, "image": [f"row-{i}" for i in range(40)], "performance": performance_of(values, seed)})
        for seed, (name, values) in enumerate(relative.items())
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def judged(labelled: dict[str, np.ndarray], table: pd.DataFrame) -> Profile:
    return howfar.profile(
        spread_rows(0, 60), components=12, labelled=[parse(array, name) for name, array in labelled.items()], performance=table
    )


def test_what_falls_with_distance_is_predicted_from_distance(judged: Profile) -> None:
    new = spread_rows(9, 50, 2.5)
    truth = performance_of(judged.measure(new)["relative"], seed=9)
    scores = judged.score(new)
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


def test_what_does_not_fit_is_refused(labelled: Any, table: pd.DataFrame, tmp_path: Path) -> None:
    sets = [parse(array, name) for name, array in labelled.items()]
    for performance, of, words in (
        (pd.DataFrame({"image": ["x"], "performance": [0.5]}), sets, r"its only image \(x\) is not in the run"),
        (table.assign(performance=3.0), sets, "performance must lie between 0 and 1"),
        (table.assign(performance=np.nan), sets, "must be known of some labelled image"),
        (table, [sets[0], sets[0]], "names of their own"),
    ):
        with pytest.raises(InputError, match=words):
            howfar.profile(spread_rows(0, 60), components=12, labelled=of, performance=performance)
    for name, own in table.groupby("dataset"):
        own.drop(columns="dataset").to_csv(tmp_path / f"{name}.csv")
    assert howfar.profile(spread_rows(0, 60), components=12, labelled=sets, performance=[*tmp_path.iterdir()]).judge
    with pytest.raises(InputError, match="is of no use: the profile of primary holds no estimators"):
        howfar.profile(spread_rows(0, 60)).score(spread_rows(1, 2), estimator="mean")


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
    places = [(folder, out / folder.name) for folder in demo_folders[1:4]]
    given: Any = {"threshold": 0.5, "progress": False}
    known = [evaluate(folder, at / "maps", flipped=at / "flips", partial=True, **given) for folder, at in places]
    judged = howfar.profile(demo_folders[0], "colour_moments", labelled=demo_folders[1:4], performance=known, **given)
    return judged, known, out


def test_signals_of_maps_are_those_that_the_estimators_learnt_from(with_maps, demo_folders, tmp_path):
    judged, known, out = with_maps
    assert {*CONFIDENCES, "atc", "signals"} - {"mean_probability", "predicted_foreground", "entropy"} <= set(judged.judge.fits)
    folder = demo_folders[1]
    names = {Path(one.image).stem for one in judged.score(folder).images}
    for name in ("foreground_confidence", "flip_agreement", "atc"):
        options = {"predictions": out / folder.name / "maps", "flipped": out / folder.name / "flips", "estimator": name}
        scores = {Path(one.image).stem: one for one in judged.score(folder, **options).images}
        assert set(scores) == names
        fit = judged.judge.fits[name]
        need = (*fit.needs, "entropy")
        columns = {each: np.stack([np.asarray(value, float) for value in known[0].images[each]]) for each in need}
        for stem, wanted in zip(known[0].images["image"].map(lambda x: Path(x).stem), fit.predict(columns)[0], strict=True):
            assert scores[stem].predicted == pytest.approx(wanted, abs=1e-12)
            assert scores[stem].estimator == name
    with pytest.raises(InputError, match="predictions must hold maps of one dataset"):
        judged.score(demo_folders[1:3], **options)
    shutil.copy(next((out / folder.name / "maps").iterdir()), tmp_path)
    unusable = f"{len(names) - 1} of {len(names)} images have no usable prediction; the first is "
    assert any(note.startswith(unusable) for note in judged.score(folder, predictions=tmp_path).notes)
