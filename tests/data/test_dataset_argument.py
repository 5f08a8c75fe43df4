"""What a dataset argument means."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.read_arguments import dataset_of
from howfar.data import Dataset, parse, read_bytes
from howfar.data.sharded_and_hub_datasets import expand, has_braces
from howfar.errors import InputError, MissingPathError
from howfar.results import Features
from packed import tar_bytes, write_parquet


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
        (Path("roads"), Dataset, "roads"),
        ("mine = roads", Dataset, "mine"),
        ("a=b", Dataset, "a=b"),
        ("x=a=b", Dataset, "x"),
        ("x=other=folder", Dataset, "x"),
        ("LIST.CSV", Dataset, "LIST"),
        ("mine=list.csv", Dataset, "mine"),
        ("images.parquet", Dataset, "images"),
        ("vectors.parquet", Features, "vectors"),
        ("mine=rows.npy", Features, "mine"),
        (np.eye(3), Features, "array"),
    ],
)
@pytest.mark.usefixtures("here")
def test_kinds(argument: str | Path, kind: type, name: str) -> None:
    found = parse(argument)
    assert (type(found), found.name) == (kind, name)
    assert parse(argument, name="given").name == "given"


def test_objects_pass_through(here: Path) -> None:
    (here / "roads" / "gone.png").symlink_to("nowhere")
    dataset = parse("roads")
    assert parse(dataset) is dataset
    renamed = parse(dataset, name="new")
    assert (renamed.name, renamed.skipped[0].dataset) == ("new", "new")
    features = parse(np.eye(3))
    assert parse(features) is features
    assert parse(features, name="new").name == "new"


@pytest.mark.parametrize(
    ("argument", "error", "line"),
    [
        (Path("mine=roads"), MissingPathError, "nothing at"),
        ("x=none", MissingPathError, "nothing at .*/none: pass a folder of images"),
        ("=roads", InputError, "must have a name and a path around =, got '=roads'"),
        ("mine=", InputError, "must have a name and a path"),
        ("x" * 5000, InputError, "cannot be read: File name too long"),
        ("~no-such-user-here/x", MissingPathError, "nothing at"),
    ],
)
@pytest.mark.usefixtures("here")
def test_errors_are_one_clear_line(argument: object, error: type[Exception], line: str) -> None:
    with pytest.raises(error, match=line) as caught:
        parse(argument)
    assert "\n" not in str(caught.value)


def shards(folder: Path, *names: str, inner: str = "{}.jpg") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        members = [(inner.format(f"{name}-{k}"), f"{name}-{k}".encode()) for k in (2, 1)]
        (folder / name).write_bytes(tar_bytes(members))
    return folder


@pytest.mark.parametrize("beside", ["1.jpg", "images/1.jpg", "below/1.jpg"])
def test_a_folder_of_tars_alone_is_read_in_natural_order(beside: str, tmp_path: Path) -> None:
    folder = shards(tmp_path / "roads", "s-10.tar", "s-9.tar")
    (folder / "s-9_stats.json").write_text("{}")
    pd.DataFrame({"url": ["x"]}).to_parquet(folder / "s-9.parquet")
    (folder / ".DS_Store").write_bytes(b"x")
    found = dataset_of(folder)
    assert found.name == "roads"
    assert [item.name for item in found.items] == ["s-9.tar-2.jpg", "s-9.tar-1.jpg", "s-10.tar-2.jpg", "s-10.tar-1.jpg"]
    (folder / beside).parent.mkdir(exist_ok=True)
    (folder / beside).write_bytes(b"x")
    assert [item.path for item in dataset_of(folder).items] == [folder / beside]


def test_a_pattern_may_miss_a_shard_and_says_so(tmp_path: Path) -> None:
    shards(tmp_path, "train-08.tar", "train-09.tar", "train-11.tar")
    found = dataset_of(f"{tmp_path}/train-{{08..11}}.tar")
    assert (found.name, len(found)) == ("train", 6)
    assert [(one.path, one.reason) for one in found.skipped] == [(str(tmp_path / "train-10.tar"), "no such file")]
    folder = tmp_path / "a{1,2}"  # which exists, and so is a path
    folder.mkdir()
    (folder / "1.png").write_bytes(b"x")
    assert dataset_of(folder).items[0].path == folder / "1.png"


def test_faults_are_skipped_with_their_place_and_a_broken_shard_alone_is_an_error(tmp_path: Path) -> None:
    folder = shards(tmp_path / "roads", "1.tar")
    (folder / "2.tar").write_bytes(b"x" * 2000)
    (folder / "3.tar").write_bytes(tar_bytes([("1.jpg", b"x"), ("2.seg.png", b"x"), ("\udcff.jpg", b"x")]))
    found = dataset_of(folder)
    assert len(found) == 3
    assert "is not a readable tar file" in found.skipped[0].reason
    assert [(one.path, one.reason) for one in found.skipped[1:]] == [
        (f"{folder}/3.tar/\\xff.jpg", "its name is not valid UTF-8: rename it"),
        (f"{folder}/3.tar/2.seg.png", "mask: its image is missing"),
    ]
    with pytest.raises(InputError, match=r"^\S+2\.tar is not a readable tar file"):
        parse(folder / "2.tar")


def test_how_members_of_several_files_are_called(tmp_path: Path) -> None:
    for name in ("a", "b"):
        shards(tmp_path / "roads" / name, "s.tar")
    found = dataset_of(f"{tmp_path}/roads/{{a,b}}/s.tar")
    assert [item.name for item in found.items][::2] == ["a/s.tar/s.tar-2.jpg", "b/s.tar/s.tar-2.jpg"]
    assert read_bytes(found.items[2].path) == b"s.tar-2"
    rows = tmp_path / "rows"
    rows.mkdir()
    for name in ("1.parquet", "2.parquet"):
        pq.write_table(pa.table({"image": [b"a", b"b"]}), rows / name)
    assert [item.name for item in dataset_of(rows).items] == ["1.parquet/0", "1.parquet/1", "2.parquet/0", "2.parquet/1"]
    assert [item.name for item in dataset_of(rows / "1.parquet").items] == ["0", "1"]
    # Paths from elsewhere lose the folders that they share.
    write_parquet(tmp_path / "t.parquet", {"/home/x/a/1.jpg": b"a", "/home/x/b/1.jpg": b"b"})
    assert [item.name for item in dataset_of(tmp_path / "t.parquet").items] == ["a/1.jpg", "b/1.jpg"]


def test_parquet_with_bytes_is_images_and_with_paths_a_table(tmp_path: Path) -> None:
    write_parquet(tmp_path / "bytes.parquet", {"a.jpg": b"a", "b.jpg": b"b"})
    found = dataset_of(tmp_path / "bytes.parquet")
    assert [(item.name, item.path) for item in found.items][1] == ("b.jpg", tmp_path / "bytes.parquet" / "1")
    pd.DataFrame({"image": ["bytes.parquet/1"]}).to_parquet(tmp_path / "paths.parquet")
    table = dataset_of(tmp_path / "paths.parquet")
    assert read_bytes(table.items[0].path) == b"b"


def test_splits_that_lie_in_one_folder_are_not_joined(tmp_path: Path) -> None:
    for name in ("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001-0123456789abcdef"):
        write_parquet(tmp_path / f"{name}.parquet", {f"{name}.jpg": b"a"})
    with pytest.raises(
        InputError, match=r"has several splits \(.*\): name the files of one, as .*-\{00000\.\.…\}-of-…\.parquet"
    ):
        parse(tmp_path)
    assert len(dataset_of(f"{tmp_path}/train-{{00000..00001}}-of-00002.parquet")) == 2
    (tmp_path / "test-00000-of-00001-0123456789abcdef.parquet").unlink()
    assert len(dataset_of(tmp_path)) == 2


@pytest.mark.parametrize(
    ("argument", "error", "line"),
    [
        ("{folder}/none-{{0..3}}.tar", InputError, r"no image in .*none-\{0\.\.3\}\.tar \(4 skipped; .*no such file"),
        ("{folder}/none-{{0..3}}.zip", InputError, r"a pattern must stand for files that end in \.tar"),
        ("{folder}/none-{{9..3}}.tar", InputError, "ranges that rise"),
        ("{folder}/{{0..999}}{{0..999}}.tar", InputError, "at most 100,000 files"),
        ("{folder}/none.tar", MissingPathError, "nothing at"),
        ("{folder}/empty.tar", InputError, r"no image in .*empty\.tar"),
    ],
)
def test_errors_of_containers_are_one_clear_line(argument: str, error: type[Exception], line: str, tmp_path: Path) -> None:
    (tmp_path / "empty.tar").write_bytes(tar_bytes([("notes.md", b"x")]))
    with pytest.raises(error, match=line) as caught:
        parse(argument.format(folder=tmp_path))
    assert "\n" not in str(caught.value)


def test_patterns_as_a_shell_writes_them_out() -> None:
    assert expand("a{1..3}b{x,y}") == ["a1bx", "a1by", "a2bx", "a2by", "a3bx", "a3by"]
    assert (expand("{098..100}"), expand("plain{x}")) == (["098", "099", "100"], ["plain{x}"])
    assert not has_braces("plain{x}")
