"""Read ready-made embeddings (arrays, ``.npy``, Parquet, Lance), and write features with image names to Parquet or Lance."""

import errno
import json
import mmap
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import LARGEST, ArrayRows, FloatArray, spans
from howfar.cpu_cores import numeric_threads
from howfar.data import arrow_subprocess
from howfar.data.compact_item_table import ItemTable
from howfar.data.containers.parquet_and_arrow import ParquetFile
from howfar.data.dataset import Dataset
from howfar.data.image_and_mask_folders import path_text
from howfar.data.image_bytes import content_hash
from howfar.data.untrusted_documents_and_tables import cell_text, readable
from howfar.errors import HowfarError, InputError, MissingExtraError, MissingPathError, one_line
from howfar.formatting_and_escaping import printable
from howfar.io.array_files_and_archives import map_array, read_array
from howfar.io.atomic_writes import appearing, naming, staging, synced
from howfar.io.file_location import Location, as_location
from howfar.memory import at_a_time, check_file, file_limit
from howfar.protocols import Rows
from howfar.results import Features, Skipped


def mapping_of(array: NDArray[Any]) -> mmap.mmap | None:
    """Return the read-only memory map behind an array; None for any other array."""
    if isinstance(array, np.memmap) and array.mode == "r" and isinstance(array.base, mmap.mmap):
        return array.base
    return None


def _let_go(mapped: mmap.mmap | None) -> None:
    """Release the memory of a mapped file; the next access reads the file again."""
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


class MappedRows(Rows):
    """Read rows, all or the `chosen`, of an array; of a read-only mapped file as copies, which do not fill the memory."""

    def __init__(self, array: NDArray[Any], chosen: NDArray[np.int64] | None = None) -> None:
        self._array, self._chosen = array, chosen
        self._mapped = mapping_of(array)
        self.shape: tuple[int, int] = (len(array) if chosen is None else len(chosen), array.shape[1])

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapped file is opened again by its path, which must lie where another machine finds it.
        array: Any = self._array
        if getattr(array, "filename", None) is None:
            return ArrayRows, (self.rows(0, self.shape[0]),)
        order = "C" if array.flags.c_contiguous else "F"
        return _opened, ((str(array.filename), array.dtype, "r", array.offset, array.shape, order), self._chosen)

    def rows(self, start: int, stop: int) -> FloatArray:
        """Read rows `start` to `stop`."""
        return self._read(self._array[start:stop] if self._chosen is None else self._array[self._chosen[start:stop]])

    def columns(self, start: int, stop: int) -> FloatArray:
        """Read columns `start` to `stop` of every row."""
        part = self._array[:, start:stop]
        return self._read(part if self._chosen is None else part[self._chosen])

    def _read(self, part: FloatArray) -> FloatArray:
        if self._mapped is None:
            return part
        block = np.array(part)
        _let_go(self._mapped)
        return block


def _opened(mapping: tuple[Any, ...], chosen: NDArray[np.int64] | None) -> MappedRows:
    return MappedRows(np.memmap(*mapping), chosen)


ENDING: Final = ".lance"
_READ: Final = ("_versions", "data", "_deletions")
"""Folders of a Lance dataset that are needed to read it."""


def is_lance(location: Location) -> bool:
    """Return whether a location is a Lance dataset: a folder that ends in ``.lance`` and holds its versions."""
    return location.suffix.lower() == ENDING and (location / "_versions").is_dir()


def check_lance() -> None:
    """Raise `MissingExtraError` if the library for Lance (pylance) is not installed."""
    try:
        absent = find_spec("lance") is None
    except ValueError:  # it is marked as absent
        absent = True
    if absent:
        raise MissingExtraError("Lance datasets need pylance: pip install 'howfar[lance]'")


def _check(line: Mapping[str, Any], location: Location) -> None:
    """Raise `InputError` for a fault that the reading process reports."""
    if "fault" in line:
        raise InputError(f"{location} is not a readable Lance dataset ({one_line(line['fault'] or 'it ends early', 120)})")
    if line.get("elsewhere"):
        # Such a copy names folders or hosts that nobody gave.
        raise InputError(f"{location} refers to data outside of its folder: copy it with its data (deep_clone)")
    if "columns" in line and line["column"] is None:
        named = ", ".join(map(printable, line["columns"]))
        raise InputError(f"{location} has no column embedding or vector; its columns: {named}: name the column so")
    if "columns" in line and not line["length"]:
        rule = "must hold lists of numbers, all of one length"
        raise InputError.of(f"{location}: column {line['column']}", rule, line["kind"])


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for part in _READ for file in (folder / part).rglob("*") if file.is_file())


@contextmanager
def _at_hand(location: Location) -> Iterator[Path]:
    """Yield a local folder of a Lance dataset: its own folder, or a temporary copy if it is remote."""
    if isinstance(location, Path):
        yield location
        return
    with tempfile.TemporaryDirectory(prefix="howfar-") as copy:
        folder, (system, root) = Path(copy), location.file_system()
        base = root.rstrip("/") + "/"
        found = {
            str(path).removeprefix(base): int(entry.get("size") or 0) for path, entry in system.find(root, detail=True).items()
        }
        wanted = {path: size for path, size in found.items() if PurePosixPath(path).parts[0] in _READ}
        check_file(sum(wanted.values()), location, sum(wanted.values()))
        for path in wanted:
            if path.startswith("/") or ".." in PurePosixPath(path).parts:
                raise InputError(f"{location} holds a file of the name {one_line(path, 120)}: remove it")
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            with system.open(f"{base}{path}", "rb") as source, (folder / path).open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        yield folder


_TASK_BYTES = 1 << 20
_UNLOCKED = 2048
"""Bytes from which on hashing lets other threads run."""
LEAST = 1e-100
"""Size that some number must reach: squares of far smaller ones are 0."""
_ROW_BYTES = 400
"""Bytes of a row's name, hash and number."""


def load_embeddings(path: str | Path, name: str | None = None) -> Features:
    """Read embeddings that another program computed, from a file or URL.

    ``.npy`` is an (n, q) array, memory-mapped if native. ``.parquet`` has a column ``embedding`` of lists of q numbers, and
    perhaps names in ``image``; so has ``.lance``, or else ``vector``. Rows with NaN, infinity or more than ±1e100, and empty
    rows, are skipped. The identity is q alone. Raises `InputError` for numbers below 1e-100 alone, whose squares vanish.
    """
    file = as_location(path)
    if is_lance(file):
        return from_lance(file, name)
    if not file.is_file():
        raise MissingPathError(f"no file of embeddings at {file}: check the path")
    if file.suffix.lower() == ".npy":
        with readable(file, "write it with numpy.save, as plain numbers"):
            array = map_array(file) if isinstance(file, Path) else read_array(file.read_bytes())
        return from_array(array, name or file.stem, str(file))
    return from_parquet(ParquetFile(file, "table"), name)


def from_parquet(table: ParquetFile, name: str | None = None) -> Features:
    """Read the columns ``embedding`` and ``image`` of an open Parquet file as `load_embeddings` does."""
    import pyarrow.compute as pc

    source, name, columns = str(table.location), name or table.location.stem, list(table.schema.names)
    if "embedding" not in columns:
        listed = ", ".join(map(printable, columns))
        raise InputError(f"{source} has no column embedding; its columns: {listed}: name the column of vectors embedding")
    read = table.read([column for column in ("image", "embedding", "group") if column in columns])
    vectors = read.column("embedding")
    cells = read.column("image").to_pylist() if "image" in columns else [None] * len(vectors)
    images, skipped = _named(cells, vectors.is_valid().to_pylist(), name, source)
    try:
        lengths = np.concatenate([pc.list_value_length(chunk.drop_null()).to_numpy() for chunk in vectors.chunks])
        values = np.concatenate([chunk.drop_null().flatten().to_numpy(zero_copy_only=False) for chunk in vectors.chunks])
    except Exception as error:  # lists of what is no number are refused in many ways
        raise InputError.of(f"{source}: column embedding", "must hold lists of numbers", str(vectors.type)) from error
    unequal = np.flatnonzero(lengths != lengths[0])
    if len(unequal):
        row = int(unequal[0])
        line = f"{source}: embeddings must have one length, got {lengths[0]} ({images[0]}) and {lengths[row]} ({images[row]})"
        raise InputError(line)
    groups = read.column("group").filter(vectors.is_valid()).to_pylist() if "group" in columns else ()
    return from_array(values.reshape(len(lengths), int(lengths[0])), name, source, images, skipped, groups)


def from_lance(location: Location, name: str | None = None) -> Features:
    """Read the newest version of a Lance dataset as `load_embeddings` does, in a process of its own."""
    check_lance()
    with _at_hand(location) as folder, tempfile.TemporaryDirectory(prefix="howfar-") as scratch:
        out, size = Path(scratch), _bytes(folder)
        lines, fault = arrow_subprocess.run("lance", [folder, out], size, file_limit(size))
        about, *rest = lines or [{"fault": fault}]
        _check(about, location)
        for line in (about, *rest):
            check_file(line.get("needed", 0), location, size)
        end = rest[0] if rest else {"fault": fault}
        if "fault" not in end and end["rows"] != about["count"]:
            end = {"fault": f"{end['rows']} rows, where its manifest says {about['count']}"}
        _check(end, location)
        values = np.fromfile(out / arrow_subprocess.VALUES, about["dtype"]).reshape(-1, about["length"])
        with (out / arrow_subprocess.NAMES).open(encoding="utf-8") as file:
            batches = [json.loads(line) for line in file]
    cells, filled = ([cell for batch in batches for cell in batch[place]] for place in (0, 1))
    source, name = str(location), name or location.stem
    images, skipped = _named(cells, filled, name, source)
    return from_array(values, name, source, images, skipped)


def _named(cells: Sequence[Any], filled: Sequence[bool], dataset: str, source: str) -> tuple[list[str], tuple[Skipped, ...]]:
    """Name a table's rows; return the names with an embedding, and the rows without as skipped."""
    names = unique_names(cells)
    if not any(filled):
        raise InputError(f"{source} holds no embedding ({len(names)} rows)")
    empty = (name for name, valid in zip(names, filled, strict=True) if not valid)
    skipped = tuple(Skipped(dataset, f"{source}: {row}", "no embedding") for row in empty)
    return [name for name, valid in zip(names, filled, strict=True) if valid], skipped


def from_array(
    array: NDArray[Any],
    name: str,
    source: str | None = None,
    images: Sequence[str] | None = None,
    skipped: tuple[Skipped, ...] = (),
    groups: Sequence[Any] = (),
) -> Features:
    """Make the features of a dataset from an (n, q) array; `load_embeddings` says which rows are left out.

    Native float32 and float64 are neither copied nor changed. `source` is what skipped rows are reported under; `images` are n
    unique names, by default ``row-0``, ``row-1`` …; `skipped` is what was left out before. `groups` are n cells, or none.
    """
    check_file(_ROW_BYTES * len(array) if array.ndim else 0, source or name, array.nbytes)
    if array.dtype.kind not in "fiub":
        remedy = "take their magnitudes, or real parts" if array.dtype.kind == "c" else "convert them to float32"
        raise InputError.of(name, "must hold real numbers", str(array.dtype), remedy)
    if array.ndim != 2:
        raise InputError.of(name, "must have two axes (images, features)", array.shape, "reshape to (n, q)")
    if 0 in array.shape:
        raise InputError.of(name, "must have at least one row and one column", array.shape, "leave it out")
    values: FloatArray = array
    if array.dtype not in (np.float32, np.float64):
        # float32 holds every float16 and every integer of 16 bits.
        exact = np.can_cast(array.dtype, np.float32)
        with np.errstate(over="ignore"):  # a longer float's number may become infinite, and its row is left out
            values = array.astype(np.float32 if exact else np.float64)
    source = source or name
    names = tuple(unique_names([None] * len(values)) if images is None else images)
    good, contents = _read_rows(values, source)
    bad = sorted(set(range(len(values))) - set(good))
    beyond, endless = f"a value beyond ±{LARGEST:g} in the embedding", "NaN or infinity in the embedding"
    reasons = [beyond if np.isfinite(values[row]).all() else endless for row in bad]
    skipped += tuple(Skipped(name, f"{source}: {names[row]}", reason) for row, reason in zip(bad, reasons, strict=True))
    if not good:
        raise InputError(f"{source} holds no usable embedding: {len(skipped)} rows, the first with {skipped[0].reason}")
    length = values.shape[1]
    chosen = np.array(good) if bad else None
    return Features(
        name=name,
        rows=ArrayRows(values) if mapping_of(values) is None and chosen is None else MappedRows(values, chosen),
        images=tuple(names[row] for row in good) if bad else names,
        paths=("",) * len(good),
        contents=tuple(contents),
        layers=(length,),
        identity={"kind": "embeddings", "length": length},
        skipped=skipped,
        groups=tuple(cell_text(groups[row]) or None for row in good) if groups else (),
    )


def _read_rows(values: FloatArray, source: str) -> tuple[list[int], list[str]]:
    """Find the rows whose numbers can be squared, and their content hashes; long rows are hashed in threads."""
    length, mapped = values.itemsize * values.shape[1], mapping_of(values)
    size = max(1, _TASK_BYTES // length)

    def read(start: int) -> tuple[list[int], list[str], bool]:
        some = np.ascontiguousarray(values[start : start + size])
        within = np.isfinite(some) if some.dtype == np.float32 else np.abs(some) <= LARGEST
        usable, view = np.flatnonzero(within.all(axis=1)), memoryview(some.data).cast("B")
        contents = [content_hash(view[at : at + length]) for at in (usable * length).tolist()]
        vanishes = some.dtype == np.float64 and not (np.abs(some[usable]) >= LEAST).any()
        _let_go(mapped)
        return (start + usable).tolist(), contents, vanishes

    with ThreadPoolExecutor(numeric_threads() if length >= _UNLOCKED else 1, thread_name_prefix="howfar-contents") as pool:
        parts = list(pool.map(read, range(0, len(values), size)))
    good = [row for rows, _, _ in parts for row in rows]
    if good and all(vanishes for _, _, vanishes in parts) and (largest := float(np.abs(values[good]).max())):
        rule = f"must hold a number of at least {LEAST:g}, so that squares do not vanish"
        raise InputError.of(source, rule, f"at most {largest:g}", "rescale")
    return good, [content for _, contents, _ in parts for content in contents]


def unique_names(cells: Sequence[Any]) -> list[str]:
    """Name rows by their cells, else by number; the second ``a`` is ``a#2``, as crops of one photograph may share a name."""
    used: set[str] = set()
    counts: dict[str, int] = {}
    unique = []
    for name in (f"row-{row}" if cell is None else str(cell) for row, cell in enumerate(cells)):
        new = name
        while new in used:
            counts[name] = counts.get(name, 1) + 1
            new = f"{name}#{counts[name]}"
        used.add(new)
        unique.append(new)
    return unique


FORMATS: Final = ("parquet", "lance")
MARK: Final = "howfar.identity"
"""Note on the schema that says what the features depend on, and that howfar wrote the table."""
OWN: Final = ("image", "path", "dataset", "content", "mask", "label", "embedding")
_WRITTEN_BYTES: Final = 1 << 26
"""Bytes of features that are written at a time."""
_TEXT_BYTES: Final = 1000
"""Bytes of a row's texts, about."""
_OLD: Final = timedelta(days=1)
"""For so long a replaced Lance dataset can still be read by who has it open."""


class FeatureTable:
    """Hold datasets, and the features of their readable images, as blocks of one table: image, path, dataset, …, embedding."""

    def __init__(self, datasets: Sequence[Dataset], features: Sequence[Features]) -> None:
        import pyarrow as pa

        self._datasets, self._features, self._length = datasets, features, features[0].rows.shape[1]
        tables = [ItemTable.of(dataset.items) for dataset in datasets]
        given = {"mask": any(table.masks for table in tables), "label": any(table.labelled for table in tables)}
        self.texts = [*(name for name in OWN[:-1] if given.get(name, True)), *_further(datasets)]
        notes = {MARK: json.dumps(dict(features[0].identity), sort_keys=True, ensure_ascii=True).encode()}
        vectors = ("embedding", pa.list_(pa.float32(), self._length))
        self.schema = pa.schema([*((name, pa.string()) for name in self.texts), vectors], metadata=notes)

    def blocks(self) -> Iterator[Any]:
        """Yield the rows as Arrow batches, with few images' features in memory at a time."""
        import pyarrow as pa

        each = 4 * self._length + _TEXT_BYTES
        step = at_a_time(max(1, _WRITTEN_BYTES // each), 3 * each, 0, "the features of an image, written to a table")
        for dataset, features in zip(self._datasets, self._features, strict=True):
            listed = iter(dataset.items)
            # The images that were skipped have no features.
            items = (next(item for item in listed if item.name == name) for name in features.images)
            for at in spans(len(features), step):
                rows = np.ascontiguousarray(features.rows.rows(at.start, at.stop), dtype=np.float32)
                cells: list[dict[str, Any]] = []
                for row, item in zip(range(at.start, at.stop), items, strict=False):
                    own = (item.name, features.paths[row], dataset.name, features.contents[row], item.mask, item.label)
                    cells.append({**dict(item.further), **dict(zip(OWN, own, strict=False))})
                texts = ([None if (cell := row.get(name)) is None else path_text(cell) for row in cells] for name in self.texts)
                columns = [pa.array(column, pa.string()) for column in texts]
                vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), self._length)
                yield pa.record_batch([*columns, vectors], schema=self.schema)


def _further(datasets: Sequence[Dataset]) -> list[str]:
    """List the further columns of the datasets' own tables, each once."""
    tables = (ItemTable.of(dataset.items) for dataset in datasets)
    return list(dict.fromkeys(column for table in tables for column in table.columns))


def check_further_columns(datasets: Sequence[Dataset]) -> None:
    """Raise `InputError` if a dataset's own column has the name of a `FeatureTable` column."""
    taken = next((column for column in _further(datasets) if column in OWN), None)
    if taken is not None:
        rule = "must have names of their own for further columns of a table"
        raise InputError.of("datasets", rule, taken, f"rename the column {path_text(taken)}: an export has one of that name")


def check_target(out: Path, kind: str) -> None:
    """Raise `InputError` unless the output path is new or holds an earlier howfar export of this format."""
    if out.suffix.lower() != f".{kind}":
        raise InputError.of("out", f"must end in .{kind}", str(out), "then howfar reads it as what it is")
    if kind == "lance":
        check_lance()
    if not os.path.lexists(out):
        return
    own = False
    with suppress(HowfarError, OSError):
        if not out.is_symlink() and kind == "parquet":
            own = MARK.encode() in (ParquetFile(out, "table").schema.metadata or ())
        elif not out.is_symlink() and is_lance(out):
            size = _bytes(out)
            lines, _ = arrow_subprocess.run("lance", [out], size, file_limit(size))
            own = bool(lines) and MARK in lines[0].get("notes", ())
    if not own:
        raise InputError.of("out", "must be new, or an earlier export of howfar", str(out), "name another")


def write_features(table: FeatureTable, out: Path, kind: str) -> None:
    """Write a table block by block to a Parquet file or a Lance folder, whole or not at all, over an earlier export alone."""
    check_target(out, kind)
    if kind == "parquet":
        import pyarrow.parquet as pq

        # Numbers of features hardly repeat: a dictionary of them, or their least and greatest, would be of no use.
        texts = table.texts
        options = {"use_dictionary": texts, "write_statistics": texts, "compression": dict.fromkeys(texts, "zstd")}
        with appearing(out) as file, pq.ParquetWriter(file, table.schema, **options) as writer:
            for block in table.blocks():
                writer.write_batch(block)
    elif is_lance(out):
        # A new version of it, which is there when its manifest is.
        _to_lance(table, out, "overwrite", out).cleanup_old_versions(older_than=_OLD)
    else:
        with staging(out.parent) as folder:
            made = folder / out.name
            _to_lance(table, made, "create", out)
            for written in made.rglob("*"):
                if written.is_file():
                    synced(written)
            with naming(out):
                made.rename(out)


def _to_lance(table: FeatureTable, target: Path, mode: str, out: Path) -> Any:
    """Write a Lance dataset; re-raise errors from reading rows, and other failures as `OSError` that names `out`."""
    import lance
    import pyarrow as pa

    failed: list[BaseException] = []

    def blocks() -> Iterator[Any]:
        try:
            yield from table.blocks()
        except BaseException as error:
            failed.append(error)
            raise

    try:
        reader = pa.RecordBatchReader.from_batches(table.schema, blocks())
        return lance.write_dataset(reader, str(target), mode=mode)
    except BaseException as error:
        if failed:
            raise failed[0] from error
        # A panic of its Rust library is no `Exception`.
        if isinstance(error, MemoryError) or not (isinstance(error, Exception) or type(error).__name__ == "PanicException"):
            raise
        quoted = re.search(r"os error (\d+)", str(error))
        raise OSError(int(quoted[1]) if quoted else errno.EIO, one_line(error, 200), str(out)) from error
