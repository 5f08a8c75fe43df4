"""What a dataset argument means."""

from __future__ import annotations

import sys
from pathlib import Path
from subprocess import run

import numpy as np
import pandas as pd
import pytest

from howfar.data import Dataset, parse
from howfar.errors import InputError, MissingPathError
from howfar.results import Features


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("roads/1.png", "a=b/1.png", "b/2.png", "other=folder/3.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "list.csv").write_text("image\nroads/1.png\n")
    pd.DataFrame({"image": ["roads/1.png"]}).to_parquet(tmp_path / "images.parquet")
    pd.DataFrame({"image": ["roads/1.png"], "embedding": [[1.0, 2.0]]}).to_parquet(tmp_path / "vectors.parquet")
    np.save(tmp_path / "rows.npy", np.eye(2))
    (tmp_path / "LIST.CSV").write_text("image\nroads/1.png\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("argument", "kind", "name"),
    [
        ("roads", Dataset, "roads"),
        (Path("roads"), Dataset, "roads"),
        ("mine=roads", Dataset, "mine"),
        ("mine = roads", Dataset, "mine"),
        ("a=b", Dataset, "a=b"),
        ("x=a=b", Dataset, "x"),
        ("x=other=folder", Dataset, "x"),
        ("list.csv", Dataset, "list"),
        ("LIST.CSV", Dataset, "LIST"),
        ("mine=list.csv", Dataset, "mine"),
        ("images.parquet", Dataset, "images"),
        ("vectors.parquet", Features, "vectors"),
        ("rows.npy", Features, "rows"),
        ("mine=rows.npy", Features, "mine"),
    ],
)
@pytest.mark.usefixtures("here")
def test_kinds(argument: str | Path, kind: type, name: str) -> None:
    found = parse(argument)
    assert isinstance(found, kind)
    assert found.name == name
    assert parse(argument, name="given").name == "given"


def test_a_path_that_exists_is_a_path(here: Path) -> None:
    found = parse("a=b")
    assert isinstance(found, Dataset)
    assert found.items[0].path == here / "a=b" / "1.png"


def test_objects_pass_through(here: Path) -> None:
    (here / "roads" / "gone.png").symlink_to("nowhere")
    dataset = parse("roads")
    assert parse(dataset) is dataset
    renamed = parse(dataset, name="new")
    assert (renamed.name, renamed.skipped[0].dataset) == ("new", "new")
    features = parse(np.eye(3))
    assert parse(features) is features
    assert parse(features, name="new").name == "new"


def test_arrays() -> None:
    found = parse(np.eye(3, dtype=np.float32), name="mine")
    assert isinstance(found, Features)
    assert (found.name, found.rows.shape) == ("mine", (3, 3))
    assert parse(np.eye(3)).name == "array"
    assert parse(pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})).rows.shape == (2, 2)


@pytest.mark.parametrize(
    ("argument", "error", "line"),
    [
        ("none", MissingPathError, "nothing at .*none: pass a folder of images"),
        (Path("mine=roads"), MissingPathError, "nothing at"),
        ("x=none", MissingPathError, "nothing at .*/none:"),
        ("=roads", InputError, "must have a name and a path around =, got '=roads'"),
        ("mine=", InputError, "must have a name and a path"),
        ("", InputError, "must be a folder of images"),
        ("roads/1.png", InputError, "put images into a folder"),
        ("x" * 5000, InputError, "cannot be read: File name too long"),
        ("~no-such-user-here/x", MissingPathError, "nothing at"),
        (42, InputError, "must be a path or a list of image paths, .* got int"),
    ],
)
@pytest.mark.usefixtures("here")
def test_errors_are_one_clear_line(argument: object, error: type[Exception], line: str) -> None:
    with pytest.raises(error, match=line) as caught:
        parse(argument)
    assert "\n" not in str(caught.value)


def test_importing_the_data_layer_is_light() -> None:
    code = "import sys, howfar.data; print(sorted({'pandas', 'pyarrow', 'torch', 'scipy'} & set(sys.modules)))"
    assert run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
