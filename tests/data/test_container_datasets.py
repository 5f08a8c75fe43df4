"""Several containers as one dataset: files, folders of nothing else, patterns."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from howfar.data import Dataset, parse, read_bytes
from howfar.data.dataset_argument import expand, has_braces
from howfar.errors import InputError, MissingPathError
from packed import tar_bytes, write_parquet


def shards(folder: Path, *names: str, inner: str = "{}.jpg") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        members = [(inner.format(f"{name}-{k}"), f"{name}-{k}".encode()) for k in (2, 1)]
        (folder / name).write_bytes(tar_bytes(members))
    return folder


def images(argument: str | Path) -> Dataset:
    found = parse(argument)
    assert isinstance(found, Dataset)
    return found


def test_a_tar_is_a_dataset(tmp_path: Path) -> None:
    found = images(shards(tmp_path, "night.tar") / "night.tar")
    assert found.name == "night"
    assert [item.name for item in found.items] == ["night.tar-2.jpg", "night.tar-1.jpg"]
    assert found.items[0].path == tmp_path / "night.tar" / "night.tar-2.jpg"
    assert found.root == tmp_path / "night.tar"
    assert images(f"x={tmp_path}/night.tar").name == "x"


def test_a_folder_of_tars_is_read_in_natural_order_and_what_else_lies_there_left_alone(tmp_path: Path) -> None:
    folder = shards(tmp_path / "roads", "s-10.tar", "s-9.tar")
    (folder / "s-9_stats.json").write_text("{}")
    pd.DataFrame({"url": ["x"]}).to_parquet(folder / "s-9.parquet")
    (folder / ".DS_Store").write_bytes(b"x")
    found = images(folder)
    assert found.name == "roads"
    assert [item.name for item in found.items] == ["s-9.tar-2.jpg", "s-9.tar-1.jpg", "s-10.tar-2.jpg", "s-10.tar-1.jpg"]


@pytest.mark.parametrize("beside", ["1.jpg", "images/1.jpg", "below/1.jpg"])
def test_a_folder_with_images_stays_a_folder_of_images(beside: str, tmp_path: Path) -> None:
    folder = shards(tmp_path / "roads", "s.tar")
    (folder / beside).parent.mkdir(exist_ok=True)
    (folder / beside).write_bytes(b"x")
    assert [item.path for item in images(folder).items] == [folder / beside]


def test_names_that_repeat_get_their_shard_s(tmp_path: Path) -> None:
    for name in ("a", "b"):
        shards(tmp_path / "roads" / name, "s.tar")
    found = images(f"{tmp_path}/roads/{{a,b}}/s.tar")
    assert [item.name for item in found.items][::2] == ["a/s.tar/s.tar-2.jpg", "b/s.tar/s.tar-2.jpg"]
    assert read_bytes(found.items[2].path) == b"s.tar-2"


def test_a_pattern_may_miss_a_shard_and_says_so(tmp_path: Path) -> None:
    shards(tmp_path, "train-08.tar", "train-09.tar", "train-11.tar")
    found = images(f"{tmp_path}/train-{{08..11}}.tar")
    assert found.name == "train"
    assert len(found) == 6
    assert [(one.path, one.reason) for one in found.skipped] == [(str(tmp_path / "train-10.tar"), "no such file")]
    assert images(f"mine={tmp_path}/train-{{08..11}}.tar").name == "mine"


def test_a_broken_shard_among_others_is_skipped_and_alone_is_an_error(tmp_path: Path) -> None:
    folder = shards(tmp_path / "roads", "1.tar")
    (folder / "2.tar").write_bytes(b"x" * 2000)
    found = images(folder)
    assert len(found) == 2
    assert "is not a readable tar file" in found.skipped[0].reason
    with pytest.raises(InputError, match=r"^\S+2\.tar is not a readable tar file"):
        parse(folder / "2.tar")


def test_faults_within_are_skipped_with_their_place(tmp_path: Path) -> None:
    (tmp_path / "s.tar").write_bytes(tar_bytes([("1.jpg", b"x"), ("2.seg.png", b"x"), ("\udcff.jpg", b"x")]))
    assert [(one.path, one.reason) for one in images(tmp_path / "s.tar").skipped] == [
        (f"{tmp_path}/s.tar/\\xff.jpg", "its name is not valid UTF-8: rename it"),
        (f"{tmp_path}/s.tar/2.seg.png", "a mask without its image"),
    ]


def test_parquet_with_bytes_is_images_and_with_paths_a_table(tmp_path: Path) -> None:
    write_parquet(tmp_path / "bytes.parquet", {"a.jpg": b"a", "b.jpg": b"b"})
    found = images(tmp_path / "bytes.parquet")
    assert [(item.name, item.path) for item in found.items][1] == ("b.jpg", tmp_path / "bytes.parquet" / "1")
    pd.DataFrame({"image": ["bytes.parquet/1"]}).to_parquet(tmp_path / "paths.parquet")
    table = images(tmp_path / "paths.parquet")
    assert read_bytes(table.items[0].path) == b"b"


def test_a_folder_of_parquet_names_rows_without_paths_by_file_and_number(tmp_path: Path) -> None:
    folder = tmp_path / "roads"
    folder.mkdir()
    for name in ("1.parquet", "2.parquet"):
        pq.write_table(pa.table({"image": [b"a", b"b"]}), folder / name)
    assert [item.name for item in images(folder).items] == ["1.parquet/0", "1.parquet/1", "2.parquet/0", "2.parquet/1"]
    assert [item.name for item in images(folder / "1.parquet").items] == ["0", "1"]


def test_splits_that_lie_in_one_folder_are_not_joined(tmp_path: Path) -> None:
    for name in ("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001-0123456789abcdef"):
        write_parquet(tmp_path / f"{name}.parquet", {f"{name}.jpg": b"a"})
    with pytest.raises(
        InputError, match=r"has several splits \(.*\): name the files of one, as .*-\{00000\.\.…\}-of-…\.parquet"
    ):
        parse(tmp_path)
    assert len(images(f"{tmp_path}/train-{{00000..00001}}-of-00002.parquet")) == 2
    (tmp_path / "test-00000-of-00001-0123456789abcdef.parquet").unlink()
    assert len(images(tmp_path)) == 2


def test_paths_from_elsewhere_lose_the_folders_that_they_share(tmp_path: Path) -> None:
    write_parquet(tmp_path / "t.parquet", {"/home/x/a/1.jpg": b"a", "/home/x/b/1.jpg": b"b"})
    assert [item.name for item in images(tmp_path / "t.parquet").items] == ["a/1.jpg", "b/1.jpg"]


@pytest.mark.parametrize(
    ("argument", "error", "line"),
    [
        ("{folder}/s.tar.gz", InputError, r"must not be compressed, got .*s\.tar\.gz"),
        ("{folder}/s.tgz", InputError, "write it as plain"),
        (
            "{folder}/none-{{0..3}}.tar",
            InputError,
            r"no image in .*none-\{0\.\.3\}\.tar \(4 skipped; .*no such file",
        ),
        ("{folder}/none-{{0..3}}.zip", InputError, r"a pattern must stand for files that end in \.tar"),
        ("{folder}/none-{{9..3}}.tar", InputError, "ranges that rise"),
        ("{folder}/{{0..999}}{{0..999}}.tar", InputError, "at most 100,000 files"),
        ("{folder}/none.tar", MissingPathError, "nothing at"),
        ("{folder}/empty.tar", InputError, r"no image in .*empty\.tar"),
    ],
)
def test_errors_are_one_clear_line(argument: str, error: type[Exception], line: str, tmp_path: Path) -> None:
    (tmp_path / "s.tar.gz").write_bytes(b"x")
    (tmp_path / "s.tgz").write_bytes(b"x")
    (tmp_path / "empty.tar").write_bytes(tar_bytes([("notes.md", b"x")]))
    with pytest.raises(error, match=line) as caught:
        parse(argument.format(folder=tmp_path))
    assert "\n" not in str(caught.value)


def test_patterns_as_a_shell_writes_them_out() -> None:
    assert expand("a{1..3}b{x,y}") == ["a1bx", "a1by", "a2bx", "a2by", "a3bx", "a3by"]
    assert expand("{098..100}") == ["098", "099", "100"]
    assert expand("plain{x}") == ["plain{x}"]
    assert not has_braces("plain{x}")


def test_a_path_with_braces_that_exists_is_a_path(tmp_path: Path) -> None:
    folder = tmp_path / "a{1,2}"
    folder.mkdir()
    (folder / "1.png").write_bytes(b"x")
    assert images(folder).items[0].path == folder / "1.png"
