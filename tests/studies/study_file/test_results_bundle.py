"""A bundle holds a study without images; run again elsewhere it gives the same numbers, or says what differs."""

import io
import json
import re
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import howfar
from howfar.cli.main import run
from howfar.io.embedded_checksum import UNSEALED, sealed
from howfar.studies.study_file.results_bundle import compare_results

DISTANCE = """
[studies.distance]
primary = "roads"
secondaries = ["north", "south"]
backbones = ["pixels"]
components = 4
bootstrap = 10
"""


@pytest.fixture(scope="module")
def bundle(linked: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a study that was run once; tests read it alone."""
    file = linked(tmp_path_factory.mktemp("bundle"))
    with file.open("a", encoding="utf-8") as more:
        more.write(DISTANCE)
    assert run(["study", str(file), "--bundle", str(file.with_suffix(".zip"))]) == 0
    return file.with_suffix(".zip")


def test_holds_hashes_and_results_and_no_image(bundle: Path) -> None:
    with zipfile.ZipFile(bundle) as archive:
        names = archive.namelist()
        manifest = json.loads(archive.read("bundle.json"))
    assert "results/components/components.json" in names
    assert not any(name.endswith((".png", ".jpg", ".svg", ".pdf")) for name in names)
    assert {name: len(images) for name, images in manifest["datasets"]["contents"].items()} == {
        "roads": 10,
        "north": 10,
        "south": 10,
    }
    assert manifest["datasets"]["places"] == {"roads": "roads", "north": "north", "south": "south"}
    assert set(manifest["backbones"]) == {"colours", "pixels"}


def test_images_are_named_below_the_common_folder(bundle: Path) -> None:
    with zipfile.ZipFile(bundle) as archive:
        assert not any(str(bundle.parent).encode() in archive.read(name) for name in archive.namelist())
        images = pd.read_parquet(io.BytesIO(archive.read("results/distance/backbones/pixels/images.parquet")))
    assert set(images["path"].str.rpartition("/")[0]) == {"north/images", "south/images"}


def test_again_elsewhere_gives_the_same_numbers(bundle, pictures, tmp_path, capsys):
    again = tmp_path / "again"
    assert run(["study", str(bundle), "--data", str(pictures), "--out", str(again), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["agrees"]
    assert found["studies"][0]["values"] > 50
    assert (again / "run" / "report.html").is_file()


def test_a_number_that_differs_is_named(bundle, pictures, tmp_path, capsys):
    changed = tmp_path / "changed.zip"
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("components.json"):
                forged = data.replace(b'"share": 0.02', b'"share": 0.03')
                data = sealed(re.sub(rb"howfar-xxh3:\w{16}", UNSEALED.encode(), forged))
            new.writestr(name, data)
    assert run(["study", str(changed), "--data", str(pictures), "--out", str(tmp_path / "again")]) == 1
    assert "share" in capsys.readouterr().out


def test_other_images_are_refused(bundle: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(pictures, tmp_path / "other")
    first, second = sorted((tmp_path / "other" / "north" / "images").iterdir())[:2]
    first.write_bytes(second.read_bytes())
    assert run(["study", str(bundle), "--data", str(tmp_path / "other"), "--out", str(tmp_path / "again")]) == 2
    assert f"dataset north must hold the 10 images of the bundle, got '1 others, first {first.stem}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["{zip}"], "--data must be given with a bundle"),
        (["{toml}", "--data", "."], "--data must be given with a bundle"),
        (["{toml}", "--bundle", "x.tar"], "bundle must end in .zip"),
        (["none.zip", "--data", "."], "is not there"),
        (["{broken}", "--data", "."], "is no bundle of a study, or is damaged"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], line: str, study_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 and no more")
    files = {"zip": tmp_path / "broken.zip", "toml": study_file, "broken": tmp_path / "broken.zip"}
    assert run(["study", *(argument.format(**files) for argument in arguments)]) in (1, 2)
    printed = capsys.readouterr()
    assert line in printed.err
    assert printed.err.count("\n") == 1


OUTSIDE = b'{"format": 1, "datasets": {"places": {"roads": "../x"}, "contents": {}}, "backbones": {}}'


def changed(bundle: Path, out: Path, name: str, data: bytes | None) -> Path:
    """Copy a bundle with one member replaced, or left out."""
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(out, "w") as new:
        for member in old.namelist():
            if member != name:
                new.writestr(member, old.read(member))
            elif data is not None:
                new.writestr(member, data)
    return out


@pytest.mark.parametrize(
    ("name", "data", "line"),
    [
        ("results/components/components.json", None, "the bundle has no result of the study components"),
        ("bundle.json", b'{"format": 1}', "is no bundle of a study"),
        ("bundle.json", OUTSIDE, "must be below"),
        ("study.toml", b"", "must be given, and is missing"),
    ],
)  # fmt: skip
def test_a_bundle_that_lacks_or_forges_something_is_refused(name, data, line, bundle, pictures, tmp_path, capsys):
    out = tmp_path / "again"
    assert run(["study", str(bundle), "--data", str(pictures), "--out", str(out)]) == 0
    capsys.readouterr()
    forged = changed(bundle, tmp_path / "forged.zip", name, data)
    assert run(["study", str(forged), "--data", str(pictures), "--out", str(out)]) in (1, 2)
    printed = capsys.readouterr()
    assert line in printed.err
    assert printed.err.count("\n") == 1


def test_a_bundle_writes_below_its_own_folder(bundle: Path, pictures: Path, tmp_path: Path) -> None:
    text = b'store = "elsewhere"\n' + zipfile.ZipFile(bundle).read("study.toml")
    forged = changed(bundle, tmp_path / "forged.zip", "study.toml", text)
    assert run(["study", str(forged), "--data", str(pictures), "--out", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "run" / "store").is_dir()
    assert not list(tmp_path.rglob("elsewhere"))


def test_the_runs_below_a_result_are_compared_too(demo_folders: list[Path], tmp_path: Path) -> None:
    given = {"bootstrap": 0, "permutations": 0, "baselines": False, "progress": False}
    before = howfar.compare_backbones(demo_folders[0], demo_folders[1], ["pixels", "colour_moments"], store=tmp_path, **given)
    assert compare_results("two", before, before).different == 0
    first, last = before.comparisons
    moved = replace(last, images=last.images.assign(knn=2 * last.images["knn"]))
    found = compare_results("two", before, replace(before, comparisons=(first, moved)))
    assert found.different == len(moved.images)
    assert found.first.startswith("colour_moments.images.knn")
