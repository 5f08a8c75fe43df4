"""Lance datasets are read as the embeddings that they hold, and refused in one line where they are not."""

from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from howfar.data import arrow_subprocess, load_embeddings, parse
from howfar.data.embedding_files import is_lance
from howfar.errors import InputError, MissingExtraError
from howfar.memory import within

lance = pytest.importorskip("lance")

VALUES: NDArray[np.float32] = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
DAMAGE = r"a\.lance is not a readable Lance dataset \("


def vectors(values: NDArray[Any]) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def written(folder: Path, columns: dict[str, pa.Array], **options: Any) -> Path:
    lance.write_dataset(pa.table(columns), str(folder), **options)
    return folder


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("column", ["embedding", "vector"])
def test_numbers_are_read_bit_for_bit(tmp_path: Path, dtype: str, column: str) -> None:
    values = VALUES.astype(dtype)
    names = [f"{k}.png" for k in range(7)]
    found = parse(written(tmp_path / "roads.lance", {"image": pa.array(names), column: vectors(values)}))
    assert (found.name, found.images) == ("roads", tuple(names))
    assert found.to_array().tobytes() == (values.astype("float32") if dtype == "float16" else values).tobytes()
    same = load_embeddings(tmp_path / "roads.lance", "site")
    assert (same.name, same.contents) == ("site", found.contents)


def test_several_fragments_versions_and_deletions_are_one_dataset(tmp_path: Path) -> None:
    folder = written(tmp_path / "a.lance", {"image": pa.array(["old"]), "embedding": vectors(VALUES[:1])})
    names = pa.array([f"{k}" for k in range(7)])
    table = pa.table({"image": names, "vector": vectors(VALUES + 1), "embedding": vectors(VALUES)})
    lance.write_dataset(table, str(folder), mode="overwrite", max_rows_per_file=3, max_rows_per_group=2)
    lance.dataset(str(folder)).delete("image = '4'")
    found = parse(folder)
    assert found.images == ("0", "1", "2", "3", "5", "6")
    assert np.array_equal(found.to_array(), np.delete(VALUES, 4, axis=0))
    # Images beside embeddings are no names.
    for images in ([b"\xff\xd8"] * 7, [{"bytes": b"\xff\xd8", "path": "1.jpg"}] * 7):
        written(folder, {"image": pa.array(images), "embedding": vectors(VALUES)}, mode="overwrite")
        assert parse(folder).images[:2] == ("row-0", "row-1")


def test_rows_without_an_embedding_or_with_nan_are_skipped(tmp_path: Path) -> None:
    values = VALUES.copy()
    values[2, 0] = np.nan
    column = pa.array([None if k == 5 else row.tolist() for k, row in enumerate(values)], pa.list_(pa.float32(), 5))
    found = parse(written(tmp_path / "a.lance", {"image": pa.array([*"abcdef", "a"]), "embedding": column}))
    assert found.images == ("a", "b", "d", "e", "a#2")
    assert np.array_equal(found.to_array(), VALUES[[0, 1, 3, 4, 6]])
    assert {(fault.path.rpartition(": ")[2], fault.reason) for fault in found.skipped} == {
        ("f", "no embedding"), ("c", "NaN or infinity in the embedding"),
    }  # fmt: skip


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int32", "int64"])
def test_a_row_that_lacks_a_whole_number_is_skipped_and_changes_no_other(tmp_path: Path, dtype: str) -> None:
    numbers = pa.array([*range(1, 12), None], pa.type_for_alias(dtype))
    found = parse(written(tmp_path / "a.lance", {"embedding": pa.FixedSizeListArray.from_arrays(numbers, 3)}))
    assert found.to_array().tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert [fault.reason for fault in found.skipped] == ["NaN or infinity in the embedding"]


def test_behind_a_url_it_is_copied(tmp_path: Path) -> None:
    folder = written(tmp_path / "a.lance", {"image": pa.array(list("abcdefg")), "embedding": vectors(VALUES)})
    fsspec.filesystem("memory").put(f"{folder}/", "/lance/a.lance/", recursive=True)
    found = parse("memory://lance/a.lance")
    assert found.images == tuple("abcdefg")
    assert np.array_equal(found.to_array(), VALUES)


def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = written(tmp_path / "a.lance", {"embedding": vectors(VALUES)})
    system = fsspec.filesystem("memory")
    system.put(f"{folder}/", "/out/a.lance/", recursive=True)
    listing = system.find("/out/a.lance", detail=True) | {"/out/a.lance/data/../../../escaped": {"size": 1}}
    monkeypatch.setattr(type(system), "find", lambda self, path, **options: listing)
    with pytest.raises(InputError, match=r"holds a file of the name data/\.\./\.\./\.\./escaped"):
        parse("memory://out/a.lance")


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        ({"image": pa.array(["a"])}, r"has no column embedding or vector; its columns: image"),
        ({"embedding": pa.array([[1.0]])}, r"must hold lists of numbers, all of one length, got 'list<item: double>'"),
        ({"embedding": pa.array([1.0])}, r"must hold lists of numbers, all of one length, got 'double'"),
        ({"embedding": pa.array([None], pa.list_(pa.float32(), 2))}, r"holds no embedding \(1 rows\)"),
    ],
)
def test_what_holds_no_features_is_refused(tmp_path: Path, columns: dict[str, pa.Array], line: str) -> None:
    with pytest.raises(InputError, match=line):
        parse(written(tmp_path / "a.lance", columns))


def test_what_refers_elsewhere_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path / "a.lance", {"embedding": vectors(VALUES)})
    lance.dataset(str(folder)).shallow_clone(str(tmp_path / "b.lance"), 1)
    assert is_lance(tmp_path / "b.lance")
    with pytest.raises(InputError, match="refers to data outside of its folder"):
        parse(tmp_path / "b.lance")


@pytest.mark.parametrize(
    ("columns", "limit"),
    [
        ({"embedding": vectors(np.zeros((20_000, 400), np.float32))}, "40MB"),
        # A text that the dataset has once may stand in every row.
        ({"image": pa.array(["a" * 20_000] * 10_000), "embedding": vectors(np.zeros((10_000, 1), np.float32))}, "60MB"),
    ],
)
def test_memory_is_stated_before_it_is_taken(columns: dict[str, pa.Array], limit: str, tmp_path: Path) -> None:
    folder = written(tmp_path / "a.lance", columns)
    with within(limit), pytest.raises(InputError, match=r"^memory must be at least \d+ MB to read .*a\.lance"):
        parse(folder)


def test_a_damaged_dataset_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = written(tmp_path / "a.lance", {"embedding": vectors(VALUES)})
    whole = arrow_subprocess.run

    def fewer(*arguments: Any) -> tuple[list[dict[str, Any]], str]:
        lines, fault = whole(*arguments)
        lines[-1]["rows"] -= 1
        return lines, fault

    monkeypatch.setattr(arrow_subprocess, "run", fewer)
    with pytest.raises(InputError, match=DAMAGE + "6 rows, where its manifest says 7"):
        parse(folder)
    monkeypatch.setattr(arrow_subprocess, "run", whole)
    (file,) = (folder / "data").iterdir()
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(InputError, match=DAMAGE):
        parse(folder)
    for manifest in (folder / "_versions").iterdir():
        manifest.unlink()
    with pytest.raises(InputError, match=DAMAGE):
        parse(folder)
    assert not is_lance(tmp_path)


def test_without_pylance_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = written(tmp_path / "a.lance", {"embedding": vectors(VALUES)})
    monkeypatch.setitem(__import__("sys").modules, "lance", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'howfar\[lance\]'"):
        parse(folder)
