from __future__ import annotations

import json
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
from howfar.errors import HowfarError, InputError, MissingPathError, StoreError
from howfar.pipeline.reference_profile import Profile
from howfar.results import Features
from howfar.results.scores import Score

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
def test_scores_are_those_of_compare_with_the_primary_projection(
    n: int, q: int, scale: str, dtype: type, tmp_path: Path
) -> None:
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


def test_features_of_another_backbone_are_refused_with_what_differs() -> None:
    profile = howfar.profile(features("roads", rows(0, 30)))
    profile.score(features("site", rows(1, 5)))
    with pytest.raises(InputError) as caught:
        profile.score(features("site", rows(1, 5), kind="other"))
    assert 'site must give the features that roads was profiled with, and differs in kind: "test" and "other"' in str(
        caught.value
    )
    other = replace(features("site", rows(1, 5)), identity={"kind": "test", "preprocessing": {"size": [9, 9]}, "pool": True})
    with pytest.raises(InputError, match=r"preprocessing\.size: \[8, 8\] and \[9, 9\]; pool: nothing and true"):
        profile.score(other)


def test_a_backbone_that_is_loaded_otherwise_is_refused(demo_folders: list[Path]) -> None:
    profile = howfar.profile(demo_folders[0], "pixels", fit="crop", progress=False)
    assert profile.options == {"fit": "crop"}
    profile.score(demo_folders[1])
    with pytest.raises(InputError, match=r'backbone pixels .* differs in preprocessing\.fit: "crop" and "stretch"'):
        profile.score(demo_folders[1], howfar.load_backbone("pixels"))
    by_object = howfar.profile(demo_folders[0], howfar.load_backbone("pixels", fit="crop"), progress=False)
    with pytest.raises(InputError, match=r"preprocessing\.fit"):
        by_object.score(demo_folders[1])
    by_object.score(demo_folders[1], howfar.load_backbone("pixels", fit="crop"))


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


def test_files_folders_and_bad_images_together(demo_folders: list[Path], tmp_path: Path) -> None:
    profile = howfar.profile(demo_folders[0], "colour_moments", progress=False)
    good = sorted((demo_folders[1] / "images").iterdir())
    folder = tmp_path / "site"
    shutil.copytree(demo_folders[1], folder)
    (folder / "images" / "a.png").write_text("no picture")
    (folder / "images" / "raw.dng").touch()
    (folder / "masks" / "of-a.dng").touch()
    scores = profile.score([good[0], str(tmp_path / "gone.jpg"), folder, str(good[1])], batch_size=4)
    assert [one.image for one in scores.images[:1]] == [str(good[0])]
    assert len(scores) == 1 + 12 + 1
    assert scores.images[0].dataset == demo_folders[1].name
    assert scores.images[-1].i_dist == pytest.approx(scores.images[2].i_dist)
    reasons = {Path(one.path).name: one.reason for one in scores.skipped}
    assert reasons["gone.jpg"] == "no such file"
    assert reasons["a.png"] == "not an image that Pillow can read"
    assert "is not read" in reasons["raw.dng"]
    assert len(reasons) == 3
    with pytest.raises(MissingPathError):
        profile.score([good[0], tmp_path / "no-such-folder"])
    with pytest.raises(InputError, match="new must name at least one"):
        profile.score([])


def test_a_profile_of_embeddings_takes_embeddings(made: Profile, demo_folders: list[Path]) -> None:
    assert len(made.score(rows(1, 3))) == 3
    with pytest.raises(InputError, match="primary was profiled from ready-made embeddings: pass such, not images"):
        made.score(demo_folders[1])
    with pytest.raises(InputError, match=r"differs in length: 40 and 41"):
        made.score(rows(1, 3, q=41))


def test_far_images_are_flagged_by_their_p_value(made: Profile) -> None:
    near, far = made.score(np.concatenate([rows(0, 1), rows(1, 1, shift=5.0)])).images
    assert (near.flag, far.flag) == (False, True)
    assert far.p_value == pytest.approx(1 / 61)
    assert far.reason == "farther than 95 % of the images of primary (p = 0.016)"
    assert (near.predicted, near.estimator) == (None, None)


def test_a_primary_that_has_no_spread_or_a_single_image() -> None:
    single = howfar.profile(rows(0, 1))
    (one,) = single.score(rows(1, 1)).images
    assert (one.relative, one.mahalanobis, one.percentile, one.p_value, one.flag) == (None,) * 5
    assert one.reason == "primary has too few images to tell, or all alike"
    assert any("single image" in note for note in single.notes())
    equal = howfar.profile(np.repeat(rows(0, 1), 30, axis=0))
    (one,) = equal.score(rows(1, 1)).images
    assert (one.relative, one.mahalanobis, one.percentile, one.p_value, one.flag) == (None,) * 5
    assert equal.notes()[0] == "the images of primary are all alike: no distance from them can be told"
    few = howfar.profile(rows(0, 12), neighbours=20, components=25)
    assert len(few.notes()) == 3
    assert few.score(rows(1, 1)).notes == few.notes()


def test_views(made: Profile) -> None:
    scores = made.score(rows(1, 30))
    assert "30 images scored against primary" in repr(scores)
    assert "10 more images are in .to_frame()" in repr(scores)
    assert scores._repr_html_().count("<tr>") == 21
    json.dumps(scores.to_dict(), allow_nan=False)
    assert list(scores.to_frame()) == list(scores.images[0].to_dict())
    assert repr(made).splitlines()[0] == "Profile of primary: 60 images by embeddings, q = 40"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"components": 0}, "components"),
        ({"neighbours": 0}, "neighbours"),
        ({"scale": "z"}, "scale"),
        ({"tau": 1.5}, "tau"),
        ({"level": 1.0}, "level"),
        ({"batch_size": 0}, "batch_size"),
        ({"backbone": "pixels"}, "backbone must be left out"),
        ({"device": "cpu"}, "options are of no use to ready-made embeddings"),
        ({"labelled": np.eye(40)}, "labelled datasets need their performance"),
        ({"performance": pd.DataFrame({"image": ["a"], "performance": [1.0]})}, "of no use without labelled datasets"),
    ],
)
def test_a_bad_setting_is_one_line(change: dict[str, Any], words: str) -> None:
    with pytest.raises(HowfarError) as caught:
        howfar.profile(rows(0, 5), **change)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unreadable_image_of_the_primary_is_kept_in_mind(demo_folders: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "roads"
    shutil.copytree(demo_folders[0] / "images", folder)
    (folder / "bad.png").write_text("no picture")
    file = howfar.profile(folder, "colour_moments", progress=False).save(tmp_path / "roads.howfar")
    back = Profile.load(file)
    assert [(Path(one.path).name, one.reason) for one in back.skipped] == [("bad.png", "not an image that Pillow can read")]
    assert "1 file of roads could not be read" in repr(back)
    assert back.n == 24
    Image.new("RGB", (8, 8)).save(folder / "bad.png")
    assert howfar.profile(folder, "colour_moments", progress=False).n == 25
