"""Write features as a table that other programs read: a Parquet file, or a Lance dataset; one row an image."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from howfar.data.containers.parquet import ParquetFile
from howfar.data.dataset import Dataset
from howfar.data.embeddings import check_lance, is_lance, schema_notes
from howfar.data.image_folder import path_text
from howfar.data.item import Item, ItemTable
from howfar.errors import HowfarError, InputError, one_line
from howfar.io.atomic import appearing, naming, staging, synced
from howfar.memory import at_a_time
from howfar.results import Features

FORMATS: Final = ("parquet", "lance")
MARK: Final = "howfar.identity"
"""Note on the schema that says what the features depend on, and that howfar wrote the table."""
OWN: Final = ("image", "path", "dataset", "content", "mask", "label", "embedding")
_BLOCK: Final = 1 << 26
"""Bytes of features that are written at a time."""
_TEXTS: Final = 1000
"""Bytes of a row's texts, about."""
_OLD: Final = timedelta(days=1)
"""For so long a replaced Lance dataset can still be read by who has it open."""


@dataclass(frozen=True)
class FeatureTable:
    """Hold datasets, and the features of their readable images, as blocks of one table: image, path, dataset, …, embedding."""

    datasets: Sequence[Dataset]
    features: Sequence[Features]

    def __post_init__(self) -> None:
        check_columns(self.datasets)

    def schema(self) -> Any:
        """Return the Arrow schema: text columns, and embeddings as lists of float32 of fixed length."""
        import pyarrow as pa

        texts = [(name, pa.string()) for name in self._texts()]
        notes = {MARK: json.dumps(dict(self.features[0].identity), sort_keys=True, ensure_ascii=True).encode()}
        return pa.schema([*texts, ("embedding", pa.list_(pa.float32(), self._length()))], metadata=notes)

    def blocks(self) -> Iterator[Any]:
        """Yield the rows as Arrow batches, with few images' features in memory at a time."""
        each = 4 * self._length() + _TEXTS
        step = at_a_time(max(1, _BLOCK // each), 3 * each, 0, "the features of an image, written to a table")
        schema = self.schema()
        for dataset, features in zip(self.datasets, self.features, strict=True):
            items = _with_features(dataset, features)
            for start in range(0, len(features), step):
                yield self._block(schema, dataset.name, features, items, start, min(start + step, len(features)))

    def _block(self, schema: Any, name: str, features: Features, items: Iterator[Item], start: int, stop: int) -> Any:
        import numpy as np
        import pyarrow as pa

        rows = np.ascontiguousarray(features.rows.rows(start, stop), dtype=np.float32)
        listed = [next(items) for _ in range(start, stop)]
        paths, contents = features.paths[start:stop], features.contents[start:stop]
        texts: dict[str, Sequence[str | None]] = {
            "image": [path_text(item.name) for item in listed],
            "path": [path_text(path) for path in paths],
            "dataset": [path_text(name)] * len(listed),
            "content": list(contents),
            "mask": [_text(item.mask) for item in listed],
            "label": [_text(item.label) for item in listed],
        }
        notes = [dict(item.further) for item in listed]
        further = {column: [_text(note.get(column)) for note in notes] for column in _further(self.datasets)}
        columns = [pa.array((texts | further)[column], pa.string()) for column in self._texts()]
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), self._length())
        return pa.record_batch([*columns, vectors], schema=schema)

    def _length(self) -> int:
        return self.features[0].rows.shape[1]

    def _texts(self) -> list[str]:
        tables = [ItemTable.of(dataset.items) for dataset in self.datasets]
        given = {"mask": any(table.masks for table in tables), "label": any(table.labelled for table in tables)}
        return [*(name for name in OWN[:-1] if given.get(name, True)), *_further(self.datasets)]


def _further(datasets: Sequence[Dataset]) -> list[str]:
    """List the further columns of the datasets' own tables, each once."""
    tables = (ItemTable.of(dataset.items) for dataset in datasets)
    return list(dict.fromkeys(column for table in tables for column in table.columns))


def check_columns(datasets: Sequence[Dataset]) -> None:
    """Raise `InputError` if a dataset's own column has the name of a `FeatureTable` column."""
    taken = next((column for column in _further(datasets) if column in OWN), None)
    if taken is not None:
        rule = "must have names of their own for further columns of a table"
        raise InputError.of("datasets", rule, taken, f"rename the column {path_text(taken)}: an export has one of that name")


def _text(value: Path | str | None) -> str | None:
    return None if value is None else path_text(value)


def _with_features(dataset: Dataset, features: Features) -> Iterator[Item]:
    """Yield the images that have features, in order, without the skipped images."""
    items = iter(dataset.items)
    for name in features.images:
        yield next(item for item in items if item.name == name)


def check_target(out: Path, kind: str) -> None:
    """Raise `InputError` unless the output path is new or holds an earlier howfar export of this format."""
    if out.suffix.lower() != f".{kind}":
        raise InputError.of("out", f"must end in .{kind}", str(out), "then howfar reads it as what it is")
    if kind == "lance":
        check_lance()
    if not os.path.lexists(out):
        return
    try:
        if kind == "lance":
            own = not out.is_symlink() and is_lance(out) and MARK in schema_notes(out)
        else:
            own = not out.is_symlink() and MARK.encode() in (ParquetFile(out, "table").schema.metadata or ())
    except (HowfarError, OSError):
        own = False
    if not own:
        raise InputError.of("out", "must be new, or an earlier export of howfar", str(out), "name another")


def write(table: FeatureTable, out: Path, kind: str) -> None:
    """Write a table block by block to a Parquet file or a Lance folder, whole or not at all, over an earlier export alone."""
    check_target(out, kind)
    if kind == "parquet":
        _write_parquet(table, out)
    else:
        _write_lance(table, out)


def _write_parquet(table: FeatureTable, out: Path) -> None:
    import pyarrow.parquet as pq

    schema = table.schema()
    # Numbers of features hardly repeat: a dictionary of them, or their least and greatest, would be of no use.
    texts = [name for name in schema.names if name != "embedding"]
    options = {"use_dictionary": texts, "write_statistics": texts, "compression": dict.fromkeys(texts, "zstd")}
    with appearing(out) as file, pq.ParquetWriter(file, schema, **options) as writer:
        for block in table.blocks():
            writer.write_batch(block)


def _write_lance(table: FeatureTable, out: Path) -> None:
    if is_lance(out):
        # A new version of it, which is there when its manifest is.
        _to_lance(table, out, "overwrite", out).cleanup_old_versions(older_than=_OLD)
        return
    with staging(out.parent) as folder:
        made = folder / out.name
        _to_lance(table, made, "create", out)
        for file in made.rglob("*"):
            if file.is_file():
                synced(file)
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
        reader = pa.RecordBatchReader.from_batches(table.schema(), blocks())
        return lance.write_dataset(reader, str(target), mode=mode)
    except BaseException as error:
        if failed:
            raise failed[0] from error
        # A panic of its Rust library is no `Exception`.
        if isinstance(error, MemoryError) or not (isinstance(error, Exception) or type(error).__name__ == "PanicException"):
            raise
        quoted = re.search(r"os error (\d+)", str(error))
        raise OSError(int(quoted[1]) if quoted else errno.EIO, one_line(error, 200), str(out)) from error
