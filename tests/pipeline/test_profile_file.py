"""A profile's file: what its document says, and which arrays it takes for those of a profile."""

import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import howfar
from howfar.errors import HowfarError, StoreError
from howfar.io import array_files_and_archives
from howfar.pipeline.profile_file import Profile, document
from howfar.relation.calibrated_estimator import calibrate
from howfar.relation.site_judge import SiteJudge, Terms
from howfar.results import Skipped


def rows(seed: int, n: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 9))


def judge() -> SiteJudge:
    fit = calibrate("i_dist", {"i_dist": [1.0, 2.0, 3.0, 4.0]}, [0.9, 0.7, 0.5, 0.2], ["a", "a", "b", "b"])
    terms = Terms(0.5, 0.9, 0.1, tiled=True)
    return SiteJudge("F at threshold 0.30", 0.3, terms, {"a": 2, "b": 2}, ("i_dist",), (), {"i_dist": fit}, None, ("odd",))


@pytest.fixture
def made() -> Profile:
    made = howfar.profile(rows(0, 12), components=4, neighbours=3)
    return replace(made, options={"fit": "crop"}, skipped=(Skipped("roads", "a.png", "broken"),)).with_judge(judge())


@pytest.fixture
def file(made, tmp_path) -> Path:
    return made.save(tmp_path / "roads.howfar")


def changed(file: Path, **arrays: Any) -> Path:
    manifest, found = array_files_and_archives.read(file)
    array_files_and_archives.write(file, manifest, {**found, **arrays})
    return file


def line(file: Path) -> str:
    with pytest.raises(StoreError) as caught:
        Profile.load(file)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_everything_comes_back(made, file):
    back = Profile.load(file)
    for name in ("primary", "n", "backbone", "options", "identity", "layers", "components", "scale", "neighbours", "skipped"):
        assert getattr(back, name) == getattr(made, name), name
    assert back.provenance == made.provenance
    for name in ("rows", "own"):
        np.testing.assert_array_equal(getattr(back, name), getattr(made, name))
    for name in ("mean", "matrix", "explained_variance_ratio"):
        np.testing.assert_array_equal(getattr(back.basis, name), getattr(made.basis, name))
    assert back.residual_components == made.residual_components == 4
    assert back.judge.terms == made.judge.terms
    assert back.judge.to_dict() == made.judge.to_dict()
    assert back.judge.fitted() == made.judge.fitted()
    assert repr(back) == repr(made)
    data = file.read_bytes()
    assert back.save(file).read_bytes() == data
    assert [path.name for path in file.parent.iterdir()] == [file.name], "no temporary file is left"


def test_the_document_says_all_but_the_fits(made, file):
    found = json.loads(json.dumps(document(made), allow_nan=False))
    assert list(found) == [
        "kind", "format", "howfar", "primary", "own_residual", "residual_components", "backbone", "settings",
        "explained_variance", "performance", "skipped", "provenance",
    ]  # fmt: skip
    assert (found["kind"], found["format"], found["howfar"]) == ("howfar profile", 1, howfar.__version__)
    assert found["primary"] == {"name": "primary", "n": 12, "self_distance": made.self_distance}
    assert found["backbone"] == {
        "name": made.backbone, "options": {"fit": "crop"}, "identity": {"kind": "embeddings", "length": 9}, "layers": [9],
    }  # fmt: skip
    assert found["settings"] == {"components": 4, "scale": "none", "neighbours": 3}
    assert found["explained_variance"] == made.explained_variance
    assert found["performance"]["remarks"] == ["odd"]
    assert found["skipped"] == [{"dataset": "roads", "path": "a.png", "reason": "broken"}]
    manifest, arrays = array_files_and_archives.read(file)
    assert set(arrays) == {"mean", "basis", "explained_variance_ratio", "rows", "own"}
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float64)}
    assert list(manifest.pop("fits")) == ["i_dist"]
    assert manifest == found
    assert document(replace(made, judge=None))["performance"] is None


def test_a_single_image_has_no_distances_of_its_own(tmp_path):
    one = howfar.profile(rows(0, 1))
    back = Profile.load(one.save(tmp_path / "one.howfar"))
    assert back.own is None
    assert "own" not in array_files_and_archives.read(tmp_path / "one.howfar")[1]
    assert back.judge is None
    two = Profile.load(howfar.profile(rows(0, 2)).save(tmp_path / "two.howfar"))
    assert two.own.shape == (2,)
    assert "own must hold finite numbers" in line(changed(tmp_path / "two.howfar", own=np.ones(3)))


@pytest.mark.parametrize("name", ["mean", "basis", "explained_variance_ratio", "rows", "own"])
@pytest.mark.parametrize("fault", ["nan", "infinity", "longer", "integers", "deeper"])
def test_arrays_of_another_shape_or_type_or_that_are_not_finite_are_refused(file, name, fault):
    array = array_files_and_archives.read(file)[1][name]
    bad = array.copy()
    bad.flat[-1] = np.inf if fault == "infinity" else np.nan
    others = {"longer": np.concatenate([array, array[:1]]), "integers": np.ones(array.shape, int), "deeper": array[..., None]}
    assert "profile is damaged (" in line(changed(file, **{name: others.get(fault, bad)}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": None}, "is no profile: pass a file that howfar profile -o wrote"),
        ({"format": "1"}, "has the profile format '1' (by howfar "),
        ({"backbone": {"name": "x"}}, "profile is damaged (KeyError: 'layers'): make it again"),
        ({"settings": {"components": 4, "scale": "none", "neighbours": 3, "colour": "red"}}, "profile is damaged (TypeError"),
        ({"primary": {"name": "x", "n": 13}}, "rows must hold finite numbers of the shape (13, 4)"),
        ({"provenance": []}, "profile is damaged (TypeError"),
        ({"performance": {"metric": "F"}}, "profile is damaged (KeyError"),
        ({"fits": {"i_dist": {"level": 0.9}}}, "profile is damaged (InputError"),
        ({"fits": [1]}, "profile is damaged (AttributeError"),
        ({"primary": {"name": "x", "n": "many"}}, "profile is damaged (ValueError"),
        ({"residual_components": 5}, "profile is damaged (ValueError: residual_components must be 1 to 4, got 5)"),
    ],
)
def test_a_manifest_that_says_something_else_is_one_line(file, change, words):
    manifest, arrays = array_files_and_archives.read(file)
    array_files_and_archives.write(file, {**manifest, **change}, arrays)
    assert words in line(file)


def test_an_estimator_that_is_not_installed_is_named(file):
    manifest, arrays = array_files_and_archives.read(file)
    fit = manifest["fits"]["i_dist"]
    fit["fitted"] = {**fit["fitted"], "estimator": "theirs"}
    array_files_and_archives.write(file, manifest, arrays)
    with pytest.raises(HowfarError, match="no estimators named 'theirs'"):
        Profile.load(file)


def test_a_profile_of_howfar_0_1_answers_by_its_own_order(tmp_path):
    with tarfile.open(Path(__file__).parents[1] / "golden/written_before_0_1/files.tar.xz") as files:
        files.extract("roads.howfar", tmp_path, filter="data")
    manifest = array_files_and_archives.read(tmp_path / "roads.howfar")[0]
    judge = Profile.load(tmp_path / "roads.howfar").judge
    assert {"error_rate", "gate"}.isdisjoint(manifest["performance"])
    assert "roles" not in manifest["fits"]["signals"]
    order = ["signals", "nuclear_norm", "all", "foreground_confidence", "atc", "doc", "mean"]
    assert list(judge.order) == manifest["performance"]["auto"] == order
    assert (judge.terms, judge.fits["signals"].left_out) == (Terms(0.6, 0.9, 0.2), 2)
    columns = {need: np.array([0.4, 0.6]) for need in judge.fits["signals"].needs}
    columns["entropy"][1] = np.nan
    assert judge.site("new", columns).estimators == ("signals", "nuclear_norm")
