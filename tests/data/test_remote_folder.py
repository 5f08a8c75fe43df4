"""Data behind URLs: in fsspec's memory, and on an S3 server."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import fsspec
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from data.read_arguments import dataset_of
from howfar.data import containers, parse, read_bytes
from howfar.data.containers import tar_shards
from howfar.data.image_bytes import exists
from howfar.errors import ImageError, InputError, MissingExtraError, MissingPathError
from packed import image_table, tar_bytes, write_parquet


@pytest.fixture
def memory() -> Iterator[Any]:
    system = fsspec.filesystem("memory")
    containers._slots.clear()  # the tests' files share their names
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


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


@pytest.mark.parametrize("folder", ["site", "site/images"])
def test_a_folder_is_listed_as_a_local_one(folder: str, memory: Any, tmp_path: Path) -> None:
    put(memory, "/b", SITE)
    for name, data in SITE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    both = [dataset_of(f"memory://b/{folder}/"), dataset_of(f"mine=file://{tmp_path}/{folder}", name="site")]
    for found in both:
        assert (found.name, [item.name for item in found.items]) == ("site", ["2.png", "10.jpg", "a/3.png"])
        assert [read_bytes(item.path) for item in found.items] == [b"two", b"ten", b"three"]
        assert [item.mask and read_bytes(item.mask) for item in found.items] == [b"m2", None, b"m3"]
    reasons = [[(Path(skipped.path).name, skipped.reason) for skipped in found.skipped] for found in both]
    assert reasons[0] == reasons[1]
    assert both[0].items[0].path == "memory://b/site/images/2.png"
    assert exists("memory://b/site/images/2.png")
    assert not exists("memory://b/site/images/9.png")


def test_tables_name_what_lies_beside_them_at_other_urls_and_here(memory: Any, tmp_path: Path) -> None:
    (tmp_path / "here.png").write_bytes(b"here")
    put(memory, "/b", {"set/a/1.png": b"one", "up.png": b"up", "s.tar": tar_bytes([("x/2.png", b"two")])})
    cells = ["a/1.png", "../up.png", "memory://b/s.tar/x/2.png", str(tmp_path / "here.png")]
    put(memory, "/b", {"set/list.csv": "\n".join(["image", *cells]).encode()})
    found = dataset_of("memory://b/set/list.csv")
    assert found.name == "list"
    assert [read_bytes(item.path) for item in found.items] == [b"one", b"up", b"two", b"here"]
    assert found.items[2].name == "memory://b/s.tar/x/2.png"
    with memory.open("/b/set/list.parquet", "wb") as file:
        pd.DataFrame({"image": cells[:1], "label": ["wet"]}).to_parquet(file)
    assert dataset_of("memory://b/set/list.parquet").items[0].label == "wet"
    local = tmp_path / "list.csv"
    local.write_text("image\nmemory://b/up.png\n")
    assert read_bytes(dataset_of(str(local)).items[0].path) == b"up"


def test_containers_patterns_and_embeddings(memory: Any, tmp_path: Path) -> None:
    shards = {f"set/s-{k}.tar": tar_bytes([(f"{k}.png", bytes([65 + k])), (f"{k}.cls", b"7")]) for k in range(12)}
    put(memory, "/b", shards)
    found = dataset_of("memory://b/set")
    assert [item.name for item in found.items] == [f"{k}.png" for k in range(12)]
    assert (found.items[3].label, read_bytes(found.items[11].path)) == ("7", b"L")
    assert [item.name for item in dataset_of("memory://b/set/s-{9..10}.tar").items] == ["9.png", "10.png"]
    pq.write_table(image_table({"a.png": b"a", "b.png": b"b"}, [1, 0], ["dry", "wet"]), tmp_path / "t.parquet")
    for name in ("t.parquet", "u.parquet/part-0.parquet"):  # a folder may be called like a container
        put(memory, "/b", {name: (tmp_path / "t.parquet").read_bytes()})
        rows = dataset_of(f"memory://b/{name.partition('/')[0]}")
        assert [(item.name, item.label, item.path, read_bytes(item.path)) for item in rows.items] == [
            ("a.png", "wet", f"memory://b/{name}/0", b"a"),
            ("b.png", "dry", f"memory://b/{name}/1", b"b"),
        ]
    # One that changed is read anew when it is named again.
    put(memory, "/b", {"set/s-0.tar": tar_bytes([("0.png", b"before"), ("1.png", b"new")])})
    assert [read_bytes(item.path) for item in dataset_of("memory://b/set/s-0.tar").items] == [b"before", b"new"]
    with memory.open("/b/rows.npy", "wb") as file:
        np.save(file, np.eye(3))
    assert parse("memory://b/rows.npy").rows.shape == (3, 3)


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
def test_missing_libraries_and_failing_urls_are_one_line(scheme: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    failure: list[Exception] = [ImportError("Please install it"), RuntimeError("no\nroute"), RuntimeError("no\nroute")]

    def fail(url: str) -> None:
        raise failure.pop(0)

    monkeypatch.setattr(fsspec, "url_to_fs", fail)
    with pytest.raises(MissingExtraError, match=rf"{scheme}:// needs a library .* pip install 'howfar\[{extra}\]'"):
        parse(f"{scheme}://datasets/b/x.csv")
    with pytest.raises(InputError, match="s3://b/x cannot be read: no route"):
        parse("s3://b/x")
    with pytest.raises(ImageError, match="no route"):
        read_bytes("s3://b/x.png")


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
    assert [read_bytes(item.path) for item in dataset_of(f"{url}/s.tar").items] == [b"one", b"two"]
    assert [read_bytes(item.path) for item in dataset_of(f"{url}/t.parquet").items] == [b"a", b"b"]
    assert [read_bytes(item.path) for item in dataset_of(f"{url}/list.csv").items] == [b"one", b"two"]
    with pytest.raises(InputError, match="dataset must be a folder of images"):
        parse(url)


def test_on_s3_what_others_wrote_meanwhile_is_seen(bucket: str) -> None:
    system, root = fsspec.url_to_fs(bucket)
    name, _, below = root.partition("/")
    put(system, root, {"tars/1.tar": tar_bytes([("1.png", b"old")]), "site/1.png": b"x"})
    assert [len(dataset_of(f"{bucket}/{folder}")) for folder in ("tars", "site")] == [1, 1]
    client = boto3.client("s3")
    later = {"tars/1.tar": tar_bytes([("0.png", b"before"), ("1.png", b"new")]), "tars/2.tar": tar_bytes([("2.png", b"two")])}
    for key, data in {**later, "site/2.png": b"x"}.items():
        client.put_object(Bucket=name, Key=f"{below}/{key}", Body=data)
    assert [read_bytes(item.path) for item in dataset_of(f"{bucket}/tars").items] == [b"before", b"new", b"two"]
    assert len(dataset_of(f"{bucket}/site")) == 2


def test_on_s3_listing_a_tar_passes_over_large_images(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    system, root = fsspec.url_to_fs(bucket)
    put(system, root, {"s.tar": tar_bytes([(f"{k}.png", bytes([k]) * 2_000_000) for k in range(6)])})
    caches: list[Any] = []
    plain = tar_shards.open_binary

    def opened(place: str, block: int) -> Any:
        file: Any = plain(place, block)
        caches.append(file.cache)
        return file

    monkeypatch.setattr(tar_shards, "open_binary", opened)
    found = dataset_of(f"{bucket}/s.tar")
    assert [read_bytes(item.path)[0] for item in found.items] == list(range(6))
    assert len(caches) == 1
    assert 0 < caches[0].total_requested_bytes < 4_000_000
