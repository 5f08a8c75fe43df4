"""An export has the features bit for bit, is read back as a dataset, appears whole, and replaces an export alone."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import howfar
from howfar.cli.main import run
from howfar.data import content_hash, embedding_files, parse
from howfar.demo import write_dataset
from howfar.errors import InputError, MissingExtraError, StoreError
from howfar.store import feature_store

LANCE = pytest.mark.skipif(find_spec("lance") is None, reason="pylance is not installed")
KINDS = ("parquet", pytest.param("lance", marks=LANCE))


@pytest.fixture
def roads(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "roads", 5, seed=0, size=48)


def table_of(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    import lance

    return lance.dataset(str(path)).to_table().to_pandas()


def export(datasets: Any, out: Path, **options: Any) -> Any:
    return howfar.export(datasets, "colour_moments", out=out, store=out.parent / "store", progress=False, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_features_come_back_bit_for_bit(roads: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / f"roads.{kind}"
    made = export(roads, out)
    features = howfar.embed(roads, "colour_moments", tmp_path / "store", progress=False)
    back = parse(out)
    assert back.name == "roads"
    assert back.images == features.images
    assert back.to_array().dtype == np.float32
    assert back.to_array().tobytes() == features.to_array().tobytes()
    assert (made.path, made.length, made.images, made.skipped) == (out, 6, {"roads": 5}, ())


@pytest.mark.parametrize("kind", KINDS)
def test_rows_say_where_an_image_lies_and_what_the_table_says_of_it(tmp_path: Path, kind: str) -> None:
    roads = write_dataset(tmp_path / "roads", 3, seed=0, size=48)
    (roads / "images" / "0002.jpg").write_bytes(b"no picture")
    rows = "image,mask,label,camera\nimages/0001.jpg,masks/0001.png,dry,left\nimages/0002.jpg,,wet,right\nimages/0003.jpg,,,\n"
    (roads / "list.csv").write_text(rows)
    site = write_dataset(tmp_path / "site", 2, seed=1, size=48)
    shutil.rmtree(site / "masks")
    out = tmp_path / f"all.{kind}"
    made = export([f"listed={roads / 'list.csv'}", site], out)
    table = table_of(out)
    assert list(table) == ["image", "path", "dataset", "content", "mask", "label", "camera", "embedding"]
    paths = [str(roads / "images" / f"000{k}.jpg") for k in (1, 3)] + [str(site / "images" / f"000{k}.jpg") for k in (1, 2)]
    assert table["path"].tolist() == paths
    assert table["image"].tolist() == ["images/0001.jpg", "images/0003.jpg", "0001.jpg", "0002.jpg"]
    assert table["dataset"].tolist() == ["listed", "listed", "site", "site"]
    assert table["content"].tolist() == [content_hash(Path(path).read_bytes()) for path in paths]
    assert table["mask"].fillna("").tolist() == [str(roads / "masks" / "0001.png"), "", "", ""]
    assert table["label"].fillna("").tolist() == ["dry", "", "", ""]
    assert table["camera"].fillna("").tolist() == ["left", "", "", ""]
    assert made.images == {"listed": 2, "site": 2}
    assert [fault.path for fault in made.skipped] == [str(roads / "images" / "0002.jpg")]


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_change_nothing(roads: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    export(roads, tmp_path / f"whole.{kind}")
    monkeypatch.setattr(embedding_files, "_WRITTEN_BYTES", 2 * (4 * 6 + 1000))
    read: list[tuple[int, int]] = []
    rows = feature_store.StoredRows.rows

    def noted(self: Any, start: int, stop: int) -> Any:
        read.append((start, stop))
        return rows(self, start, stop)

    monkeypatch.setattr(feature_store.StoredRows, "rows", noted)
    export(roads, tmp_path / f"blocks.{kind}")
    assert read == [(0, 2), (2, 4), (4, 5)]
    whole, blocks = (table_of(tmp_path / f"{name}.{kind}") for name in ("whole", "blocks"))
    pd.testing.assert_frame_equal(whole, blocks)


@pytest.mark.parametrize("kind", KINDS)
def test_an_earlier_export_is_replaced_and_nothing_else(roads: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / f"out.{kind}"
    export(roads, out)
    site = write_dataset(tmp_path / "site", 2, seed=1, size=48)
    export(site, out)
    assert table_of(out)["dataset"].tolist() == ["site", "site"]
    others = tmp_path / f"others.{kind}"
    if kind == "parquet":
        pd.DataFrame({"image": ["a"], "embedding": [[1.0]]}).to_parquet(others)
    else:
        others.mkdir()
        (others / "note").write_text("mine")
    link = tmp_path / f"link.{kind}"
    link.symlink_to(out)
    before = sorted(path.stat().st_mtime_ns for path in (others, out))
    for target in (others, link):
        with pytest.raises(InputError, match=r"^out must be new, or an earlier export of howfar"):
            export(roads, target)
    assert sorted(path.stat().st_mtime_ns for path in (others, out)) == before


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("earlier", [False, True])
def test_what_fails_leaves_what_was_there(roads, tmp_path, kind, earlier, monkeypatch):
    out = tmp_path / "made" / f"roads.{kind}"
    out.parent.mkdir()
    if earlier:
        howfar.export(roads, "colour_moments", out=out, store=tmp_path / "store", progress=False)
        before = table_of(out)
    rows = feature_store.StoredRows.rows

    def failing(self: Any, start: int, stop: int) -> Any:
        if start:
            raise StoreError("the store is gone")
        return rows(self, start, stop)

    monkeypatch.setattr(feature_store.StoredRows, "rows", failing)
    monkeypatch.setattr(embedding_files, "_WRITTEN_BYTES", 2 * (4 * 6 + 1000))
    with pytest.raises(StoreError, match=r"^the store is gone$"):
        howfar.export(roads, "colour_moments", out=out, store=tmp_path / "store", progress=False)
    assert [path.name for path in out.parent.iterdir()] == ([out.name] if earlier else [])
    if earlier:
        pd.testing.assert_frame_equal(table_of(out), before)


@pytest.mark.parametrize(
    ("out", "to", "line"),
    [
        ("roads.npy", None, r"^out must end in \.parquet or \.lance, got '.*roads\.npy'"),
        ("roads.parquet", "lance", r"^out must end in \.lance, got '.*roads\.parquet'"),
        ("roads.npy", "parquet", r"^out must end in \.parquet"),
        ("roads.parquet", "csv", r"^to must be parquet or lance, got 'csv'"),
    ],
)
def test_a_format_is_what_the_name_ends_in_whether_or_not_its_library_is_there(roads, tmp_path, out, to, line, monkeypatch):
    def missing() -> None:
        raise MissingExtraError("Lance datasets need pylance")

    monkeypatch.setattr(embedding_files, "check_lance", missing)
    with pytest.raises(InputError, match=line):
        export(roads, tmp_path / out, to=to)


def test_what_cannot_be_exported_is_refused(roads: Path, tmp_path: Path) -> None:
    out = tmp_path / "roads.parquet"
    with pytest.raises(InputError, match=r"^out must be a file on this machine"):
        howfar.export(roads, "colour_moments", out="s3://bucket/roads.parquet")
    export(roads, out)
    with pytest.raises(InputError, match=r"^datasets must hold images, got 'embeddings: roads'"):
        export(out, tmp_path / "again.parquet")
    with pytest.raises(InputError, match=r"^datasets must have names of their own"):
        export([roads, roads], out)
    (roads / "list.csv").write_text("image,content\nimages/0001.jpg,asphalt\n")
    with pytest.raises(InputError, match=r"further columns of a table, got 'content': rename the column content"):
        howfar.export(roads / "list.csv", "colour_moments", out=tmp_path / "list.parquet", store=tmp_path / "unused")
    # Before an image was embedded.
    assert not (tmp_path / "unused").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_writes_a_table_that_compare_reads(roads, tmp_path, kind, capsys):
    site = write_dataset(tmp_path / "site", 4, seed=1, size=48)
    for folder in (roads, site):
        written = ["-o", str(tmp_path / f"{folder.name}.{kind}"), "--to", kind, "--backbone", "colour_moments"]
        assert run(["export", str(folder), *written, "--json"]) == 0
        made = json.loads(capsys.readouterr().out)
        assert (made["images"], made["length"]) == ({folder.name: len(list((folder / "images").iterdir()))}, 6)
    quick = ["--no-baselines", "--bootstrap", "0", "--permutations", "0", "--json"]
    tables = [str(tmp_path / f"{folder.name}.{kind}") for folder in (roads, site)]
    assert run(["compare", *tables, *quick]) == 0
    by_tables = json.loads(capsys.readouterr().out)
    assert run(["compare", str(roads), str(site), "--backbone", "colour_moments", *quick]) == 0
    by_images = json.loads(capsys.readouterr().out)
    assert by_tables["datasets"][0]["o_dist"] == by_images["datasets"][0]["o_dist"]
