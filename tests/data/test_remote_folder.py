"""Data behind URLs: in fsspec's memory, and on an S3 server."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import fsspec
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from howfar.data import Dataset, containers, parse, read_bytes
from howfar.data.containers import tar
from howfar.data.image_bytes import exists, is_member
from howfar.data.images import size
from howfar.errors import ImageError, InputError, MissingExtraError, MissingPathError
from howfar.results import Features
from packed import image_table, tar_bytes, write_parquet


@pytest.fixture
def memory() -> Iterator[Any]:
    system = fsspec.filesystem("memory")
    containers._slots.clear()  # the tests' files share their names
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


def images(argument: str) -> Dataset:
    found = parse(argument)
    assert isinstance(found, Dataset)
    return found


def picture(side: int = 8) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, 6), (200, 10, 10)).save(buffer, "png")
    return buffer.getvalue()


SITE = {
    "site/images/2.png": b"two",
    "site/images/10.jpg": b"ten",
    "site/images/a/3.png": b"three",
    "site/images/.hidden/1.png": b"x",
    "site/images/4.heic": b"x",
    "site/masks/2.png": b"m2",
    "site/masks/2.jpg": b"lossy",
    "site/masks/a/3.png": b"m3",
    "site/beside.png": b"x",
    "site/notes.txt": b"x",
}


def put(system: Any, root: str, files: Mapping[str, bytes]) -> None:
    system.pipe({f"{root}/{name}": data for name, data in files.items()})


def test_a_folder_is_read_by_its_own_name_too(memory: Any, tmp_path: Path) -> None:
    put(memory, "/b", SITE)
    assert len(Dataset.from_folder("memory://b/site")) == 3
    (tmp_path / "1.png").write_bytes(b"x")
    assert len(Dataset.from_folder(f"file://{tmp_path}")) == 1


@pytest.mark.parametrize("folder", ["site", "site/images"])
def test_a_folder_is_listed_as_a_local_one(folder: str, memory: Any, tmp_path: Path) -> None:
    put(memory, "/b", SITE)
    for name, data in SITE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    found, local = images(f"memory://b/{folder}"), images(str(tmp_path / folder))
    assert found.name == local.name == "site"
    assert [item.name for item in found.items] == [item.name for item in local.items] == ["2.png", "10.jpg", "a/3.png"]
    for one, other in zip(found.items, local.items, strict=True):
        assert read_bytes(one.path) == read_bytes(other.path)
        assert (one.mask is None) == (other.mask is None)
        if one.mask is not None and other.mask is not None:
            assert read_bytes(one.mask) == read_bytes(other.mask)
    reasons = [[(Path(skipped.path).name, skipped.reason) for skipped in one.skipped] for one in (found, local)]
    assert reasons[0] == reasons[1]
    assert found.items[0].path == "memory://b/site/images/2.png"


def test_names_go_before_a_url_and_a_url_may_hold_equals_signs(memory: Any) -> None:
    put(memory, "/b", {"day=1/1.png": b"x"})
    assert images("mine=memory://b/day=1").name == "mine"
    assert images("memory://b/day=1/").name == "day=1"


def test_tables_name_what_lies_beside_them_at_other_urls_and_here(memory: Any, tmp_path: Path) -> None:
    (tmp_path / "here.png").write_bytes(b"here")
    put(memory, "/b", {"set/a/1.png": b"one", "up.png": b"up", "s.tar": tar_bytes([("x/2.png", b"two")])})
    cells = ["a/1.png", "../up.png", "memory://b/s.tar/x/2.png", str(tmp_path / "here.png")]
    put(memory, "/b", {"set/list.csv": "\n".join(["image", *cells]).encode()})
    found = images("memory://b/set/list.csv")
    assert found.name == "list"
    assert [read_bytes(item.path) for item in found.items] == [b"one", b"up", b"two", b"here"]
    assert found.items[2].name == "memory://b/s.tar/x/2.png"
    with memory.open("/b/set/list.parquet", "wb") as file:
        pd.DataFrame({"image": cells[:1], "label": ["wet"]}).to_parquet(file)
    assert images("memory://b/set/list.parquet").items[0].label == "wet"
    local = tmp_path / "list.csv"
    local.write_text("image\nmemory://b/up.png\n")
    assert read_bytes(images(str(local)).items[0].path) == b"up"


def test_containers_and_patterns(memory: Any, tmp_path: Path) -> None:
    shards = {f"set/s-{k}.tar": tar_bytes([(f"{k}.png", bytes([65 + k])), (f"{k}.cls", b"7")]) for k in range(12)}
    put(memory, "/b", shards)
    found = images("memory://b/set")
    assert [item.name for item in found.items] == [f"{k}.png" for k in range(12)]
    assert found.items[3].label == "7"
    assert read_bytes(found.items[11].path) == b"L"
    assert [item.name for item in images("memory://b/set/s-{9..10}.tar").items] == ["9.png", "10.png"]
    put(memory, "/b", {"t.parquet": write_parquet(tmp_path / "t.parquet", {"a.png": b"a", "b.png": b"b"}).read_bytes()})
    rows = images("memory://b/t.parquet")
    assert [(item.name, item.path, read_bytes(item.path)) for item in rows.items] == [
        ("a.png", "memory://b/t.parquet/0", b"a"),
        ("b.png", "memory://b/t.parquet/1", b"b"),
    ]


def test_a_folder_may_be_called_like_a_container(memory: Any, tmp_path: Path) -> None:
    data = write_parquet(tmp_path / "t.parquet", {"a.png": b"a"}).read_bytes()
    put(memory, "/b", {"t.parquet/part-0.parquet": data})
    assert read_bytes(images("memory://b/t.parquet").items[0].path) == b"a"


def test_a_container_that_changed_is_read_anew_when_it_is_named_again(memory: Any) -> None:
    put(memory, "/b", {"s.tar": tar_bytes([("1.png", b"old")])})
    assert read_bytes(images("memory://b/s.tar").items[0].path) == b"old"
    put(memory, "/b", {"s.tar": tar_bytes([("0.png", b"before"), ("1.png", b"new")])})
    assert [read_bytes(item.path) for item in images("memory://b/s.tar").items] == [b"before", b"new"]


def test_embeddings(memory: Any) -> None:
    with memory.open("/b/rows.npy", "wb") as file:
        np.save(file, np.eye(3))
    with memory.open("/b/vectors.parquet", "wb") as file:
        pd.DataFrame({"image": ["a"], "embedding": [[1.0, 2.0]]}).to_parquet(file)
    for name, shape in (("rows.npy", (3, 3)), ("vectors.parquet", (1, 2))):
        found = parse(f"memory://b/{name}")
        assert isinstance(found, Features)
        assert (found.name, found.rows.shape) == (name.partition(".")[0], shape)


def test_what_is_asked_of_one_image(memory: Any) -> None:
    put(memory, "/b", {"1.png": picture(), "s.tar": tar_bytes([("2.png", picture(9))])})
    assert size("memory://b/1.png") == (8, 6)
    assert size("memory://b/s.tar/2.png") == (9, 6)
    assert exists("memory://b/1.png")
    assert not exists("memory://b/2.png")
    assert is_member("memory://b/s.tar/2.png")
    assert not is_member("memory://b/1.png")
    with pytest.raises(ImageError, match="no such file"):
        read_bytes("memory://b/s.tar/3.png")


@pytest.mark.parametrize(
    ("argument", "error", "line"),
    [
        ("memory://b/none", MissingPathError, "nothing at memory://b/none"),
        ("memory://b/none.tar", MissingPathError, "nothing at memory://b/none.tar"),
        ("memory://b/text", InputError, "no image below memory://b/text"),
        ("memory://b/t.arrow", InputError, "must lie on this machine"),
        ("nothing://b/x", InputError, "must be a path or a URL that fsspec reads"),
    ],
)
def test_errors_are_one_clear_line(argument: str, error: type[Exception], line: str, memory: Any) -> None:
    put(memory, "/b", {"text/1.txt": b"x", "t.arrow": b"x"})
    with pytest.raises(error, match=line) as caught:
        parse(argument)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("scheme", "extra"), [("s3", "s3"), ("gs", "gs"), ("az", "az"), ("hf", "hub")])
def test_a_missing_library_names_its_extra(scheme: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(url: str) -> None:
        raise ImportError("Please install it")

    monkeypatch.setattr(fsspec, "url_to_fs", absent)
    with pytest.raises(MissingExtraError, match=rf"{scheme}:// needs a library .* pip install 'howfar\[{extra}\]'"):
        parse(f"{scheme}://datasets/b/x.csv")


def test_a_url_that_fails_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(url: str) -> None:
        raise RuntimeError("no\nroute")

    monkeypatch.setattr(fsspec, "url_to_fs", fail)
    with pytest.raises(InputError, match="s3://b/x cannot be read: no route"):
        parse("s3://b/x")
    with pytest.raises(ImageError, match="no route"):
        read_bytes("s3://b/x.png")


def test_on_s3(bucket: str, tmp_path: Path) -> None:
    system, root = fsspec.url_to_fs(bucket)
    put(system, root, SITE)
    found = images(f"{bucket}/site")
    assert [item.name for item in found.items] == ["2.png", "10.jpg", "a/3.png"]
    assert [read_bytes(item.path) for item in found.items] == [b"two", b"ten", b"three"]
    assert found.items[0].mask == f"{bucket}/site/masks/2.png"
    put(system, root, {f"tars/{k}.tar": tar_bytes([(f"{k}.png", bytes([65 + k]) * 300_000)] * 2) for k in range(3)})
    shards = images(f"{bucket}/tars")
    assert [read_bytes(item.path)[:2] for item in shards.items] == [b"AA", b"BB", b"CC"]
    rows = {f"{k}.png": bytes([65 + k]) * 1000 for k in range(20)}
    put(
        system,
        root,
        {"t.parquet": write_parquet(tmp_path / "t.parquet", rows).read_bytes(), "list.csv": b"image\nsite/images/2.png"},
    )
    assert [read_bytes(item.path) for item in images(f"{bucket}/t.parquet").items] == list(rows.values())
    assert read_bytes(images(f"x={bucket}/list.csv").items[0].path) == b"two"
    with pytest.raises(MissingPathError, match="nothing at s3://"):
        parse(f"{bucket}/none")
    with pytest.raises(ImageError, match="no such file"):
        read_bytes(f"{bucket}/none.png")


def test_over_http_files_are_read_and_nothing_is_listed(bucket: str, s3_server: str, tmp_path: Path) -> None:
    url = f"{s3_server}/{bucket.removeprefix('s3://')}"
    rows = write_parquet(tmp_path / "t.parquet", {"a.png": b"a", "b.png": b"b"}).read_bytes()
    for name, data in {
        "s.tar": tar_bytes([("1.png", b"one"), ("2.png", b"two")]),
        "t.parquet": rows,
        "1.png": b"one",
        "list.csv": f"image\n1.png\n{url}/s.tar/2.png\n".encode(),
    }.items():
        where, _, below = bucket.removeprefix("s3://").partition("/")
        boto3.client("s3").put_object(Bucket=where, Key=f"{below}/{name}", Body=data, ACL="public-read")
    assert [read_bytes(item.path) for item in images(f"{url}/s.tar").items] == [b"one", b"two"]
    assert [read_bytes(item.path) for item in images(f"{url}/t.parquet").items] == [b"a", b"b"]
    assert [read_bytes(item.path) for item in images(f"{url}/list.csv").items] == [b"one", b"two"]
    with pytest.raises(InputError, match="dataset must be a folder of images"):
        parse(url)


def test_on_s3_what_others_wrote_meanwhile_is_seen(bucket: str) -> None:
    system, root = fsspec.url_to_fs(bucket)
    name, _, below = root.partition("/")
    put(system, root, {"tars/1.tar": tar_bytes([("1.png", b"old")]), "site/1.png": b"x"})
    assert [len(images(f"{bucket}/{folder}")) for folder in ("tars", "site")] == [1, 1]
    client = boto3.client("s3")
    later = {"tars/1.tar": tar_bytes([("0.png", b"before"), ("1.png", b"new")]), "tars/2.tar": tar_bytes([("2.png", b"two")])}
    for key, data in {**later, "site/2.png": b"x"}.items():
        client.put_object(Bucket=name, Key=f"{below}/{key}", Body=data)
    assert [read_bytes(item.path) for item in images(f"{bucket}/tars").items] == [b"before", b"new", b"two"]
    assert len(images(f"{bucket}/site")) == 2


def test_on_s3_listing_a_tar_passes_over_large_images(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    system, root = fsspec.url_to_fs(bucket)
    put(system, root, {"s.tar": tar_bytes([(f"{k}.png", bytes([k]) * 2_000_000) for k in range(6)])})
    caches: list[Any] = []
    plain = tar.open_binary

    def opened(place: str, block: int) -> Any:
        file: Any = plain(place, block)
        caches.append(file.cache)
        return file

    monkeypatch.setattr(tar, "open_binary", opened)
    found = images(f"{bucket}/s.tar")
    assert [read_bytes(item.path)[0] for item in found.items] == list(range(6))
    assert len(caches) == 1
    assert 0 < caches[0].total_requested_bytes < 4_000_000


def test_labels_of_parquet_behind_a_url(memory: Any, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    with memory.open("/b/t.parquet", "wb") as file:
        pq.write_table(image_table({"a.png": b"a", "b.png": b"b"}, [1, 0], ["dry", "wet"]), file)
    assert [item.label for item in images("memory://b/t.parquet").items] == ["wet", "dry"]
