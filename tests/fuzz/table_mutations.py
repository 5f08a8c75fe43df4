"""Damage tables of Parquet and Arrow files: other types, other names, text that is none, offsets that lie."""

import io
import random
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

NAMES = (
    "image", "mask", "label", "embedding", "predicted", "confidence", "performance", "dataset", "i_dist", "", "a\0b", "x",
    "one", "é",
)  # fmt: skip
MANY = 1_000_000
"""Rows of a column that takes kilobytes in the file, and much more in memory."""


def parquet(data: bytes, rng: random.Random) -> bytes:
    """Change the table of a Parquet file, and write it anew."""
    table = pq.read_table(io.BytesIO(data))
    if rng.random() < 0.005 and table.num_columns:
        return many(rng.choice(table.column_names), rng.randrange(3))
    table = changed(table, rng)
    sink = io.BytesIO()
    pq.write_table(
        table,
        sink,
        compression=rng.choice(("none", "zstd", "snappy")),
        use_dictionary=rng.random() < 0.7,
        store_schema=rng.random() < 0.8,
    )
    return sink.getvalue()


def arrow(data: bytes, rng: random.Random) -> bytes:
    """Change the table of an Arrow file, or what its buffers hold, and write it anew."""
    if rng.random() < 0.5:
        return lying_numbers(data, rng)
    table = changed(pa.ipc.open_stream(io.BytesIO(data)).read_all(), rng)
    sink = io.BytesIO()
    make = rng.choice((pa.ipc.new_stream, pa.ipc.new_stream, pa.ipc.new_file))
    options = pa.ipc.IpcWriteOptions(compression=rng.choice((None, None, "zstd")))
    with make(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=rng.choice((1, 2, 100)))
    return sink.getvalue()


def changed(table: pa.Table, rng: random.Random) -> pa.Table:
    """Drop, rename, double, empty or replace a column, drop rows, or change what the schema says of itself."""
    kind = rng.randrange(10)
    if kind == 0:
        return table.slice(0, rng.choice((0, 1)))
    if kind == 1:
        about = {
            **(table.schema.metadata or {}),
            rng.choice((b"pandas", b"huggingface", b"x")): rng.choice(
                (
                    b"",
                    b"{",
                    b"[]",
                    b'{"index_columns": ["q"], "columns": [], "column_indexes": []}',
                    b"[" * 9999,
                    b'{"info": 1}',
                    b"\xff",
                )
            ),
        }
        return table.replace_schema_metadata(about)
    if not table.num_columns:
        return table
    place = rng.randrange(table.num_columns)
    name = table.column_names[place]
    if kind == 2:
        return table.remove_column(place)
    if kind == 3:
        names = list(table.column_names)
        names[place] = rng.choice(NAMES)
        return table.rename_columns(names)
    if kind == 4:
        return table.append_column(name, table.column(place))
    return table.set_column(place, name, column(table.num_rows, table.column(place), rng))


def column(rows: int, old: Any, rng: random.Random) -> Any:
    """Make a column of another type, or with cells of it taken away or exchanged."""
    kind = rng.randrange(16)
    numbers = [rng.choice((0, 1, -1, 255, 2**31, 2**62, -(2**63))) for _ in range(rows)]
    if kind == 0:
        return pa.nulls(rows, rng.choice((old.type, pa.null())))
    if kind == 1:
        return pa.array(numbers, pa.int64())
    if kind == 2:
        return pa.array(
            [rng.choice((0.0, np.nan, np.inf, -1e308, 1e308, 1e-320, 2.0)) for _ in range(rows)],
            rng.choice((pa.float64(), pa.float32())),
        )
    if kind == 3:
        return not_utf8(rows)
    if kind == 4:
        return pa.array(
            [rng.choice(("", "a\0b", "x" * 500, "9" * 5000, "nan", "1e999", "1.png", "/", "😀", None)) for _ in range(rows)],
            pa.string(),
        )
    if kind == 5:
        return pa.array(
            [[1.0] * rng.choice((0, 1, 2, 4)) for _ in range(rows)], pa.list_(rng.choice((pa.float32(), pa.int8())))
        )
    if kind == 6:
        return pa.array([{"bytes": b"x", "path": "y"}] * rows, pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    if kind == 7:
        return pa.array(numbers, pa.timestamp(rng.choice(("s", "ms", "us", "ns")), rng.choice((None, "UTC"))))
    if kind == 8:
        return pa.array(
            [bytes([number & 255]) for number in numbers], rng.choice((pa.binary(), pa.large_binary(), pa.binary(1)))
        )
    if kind == 9:
        return pa.array([True] * rows, pa.bool_())
    if kind == 10:
        return pa.array([1] * rows, pa.decimal128(38, 3))
    if kind == 11:
        return pa.array([[[1.0, None]]] * rows, pa.list_(pa.list_(pa.float64())))
    if kind == 12:
        return pa.array([{"a": {"b": [1]}}] * rows)
    if kind == 13:
        return pa.array(["a"] * rows).dictionary_encode()
    if kind == 14:
        return pa.array([[("a", 1)]] * rows, pa.map_(pa.string(), pa.int64()))
    cells = old.to_pylist()
    cells[rng.randrange(max(1, rows))] = rng.choice((None, *cells)) if rows else None
    return pa.array(cells[:rows], old.type)


def not_utf8(rows: int) -> Any:
    """Make a column that says that it is text, and is none."""
    offsets = np.arange(rows + 1, dtype=np.int32) * 2
    buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(b"\xff\xfe" * rows)]
    return pa.Array.from_buffers(pa.string(), rows, buffers)


@cache
def swollen(kind: int) -> Any:
    """Make a column of one value some million times, which takes kilobytes in a file, and much more in memory."""
    if kind == 0:
        numbers = pa.array(np.zeros(MANY * 40, np.float32))
        return pa.FixedSizeListArray.from_arrays(numbers, 40).cast(pa.list_(pa.float32()))
    text = pa.array(["a" * (100 if kind == 1 else 100_000)])
    return pa.DictionaryArray.from_arrays(np.zeros(MANY if kind == 1 else MANY // 100, np.int32), text)


@cache
def many(name: str, kind: int) -> bytes:
    """Write a Parquet file of one swollen column."""
    sink = io.BytesIO()
    pq.write_table(pa.table({name: swollen(kind)}), sink, compression="zstd")
    return sink.getvalue()


def lying_numbers(data: bytes, rng: random.Random) -> bytes:
    """Change a small number of four bytes among the buffers of an Arrow file: an offset that falls, or lies outside."""
    words = np.frombuffer(data[: len(data) // 4 * 4], np.int32).copy()
    places = np.flatnonzero((words >= 0) & (words < len(data)))
    words[places[rng.randrange(len(places))]] = rng.choice((-1, 0, 1, 2**31 - 1, -(2**31), 10**6, 10**9, len(data)))
    return words.tobytes() + data[len(words) * 4 :]
