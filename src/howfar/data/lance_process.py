"""Read a Lance dataset in a process of its own, since a damaged one can end the interpreter that reads it.

The process has limits of memory and time. Its program is this file, which imports Lance and Arrow alone. It prints a line of
JSON on what the dataset is. Where a folder is named it writes features and names of rows there, and prints another line.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, TextIO

VECTORS: Final = ("embedding", "vector")
"""Columns that hold features, the first there is: howfar's name for it and LanceDB's."""
VALUES, NAMES = "values.bin", "names.jsonl"
NAME: Final = 100
"""Bytes of the name of a row, beside its text."""
COPIES: Final = 3
"""How many times the features are held at most, while they are read and used."""
SECONDS: Final = 60.0
"""How long it may take beside what its size explains."""
BYTES_A_SECOND: Final = 50 << 20
LIBRARIES: Final = 8 << 30
"""Bytes of addresses that the interpreter, Arrow and Lance reserve, which are mostly never used."""
_ROWS: Final = 1024
_EXACT_BITS: Final = 16
"""Bits of integers that float32 holds exactly; wider ones become float64."""
# Each thread reserves addresses, and of its own accord there would be several for every core.
_THREADS: Final = {"LANCE_CPU_THREADS": "1", "LANCE_IO_THREADS": "1", "TOKIO_WORKER_THREADS": "1", "MALLOC_ARENA_MAX": "2"}


def run(folder: Path, size: int, limit: int, out: Path | None = None) -> tuple[list[dict[str, Any]], str]:
    """Run this program on a dataset of `size` bytes; return the lines that it printed, and why it ended early or ""."""
    command = [sys.executable, "-P", "-W", "ignore", __file__, str(folder), str(size), str(limit), *([str(out)] if out else [])]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            check=False,
            env={**os.environ, **_THREADS},
            stdin=subprocess.DEVNULL,
            timeout=SECONDS + size / BYTES_A_SECOND,
        )
        printed, fault = done.stdout, "reading it ends the interpreter" if done.returncode else ""
    except subprocess.TimeoutExpired as error:
        printed, fault = error.stdout or b"", "reading it takes too long"
    return [json.loads(line) for line in printed.splitlines() if line.startswith(b"{")], fault


def described(dataset: Any) -> dict[str, Any]:
    """Describe a dataset: columns, metadata, references to other places, and the number and type of its features."""
    import pyarrow.types as types

    schema = dataset.schema
    notes = {key.decode("utf-8", "replace"): text.decode("utf-8", "replace") for key, text in (schema.metadata or {}).items()}
    found: dict[str, Any] = {"columns": schema.names, "notes": notes, "elsewhere": bool(dataset.base_paths()), "column": None}
    column = next((name for name in VECTORS if name in schema.names), None)
    if column is not None:
        kind = schema.field(column).type
        found |= {"column": column, "kind": str(kind), "length": 0, "named": "image" in schema.names and _is_name(schema)}
        number = kind.value_type if types.is_fixed_size_list(kind) else None
        if number is not None and (types.is_floating(number) or types.is_integer(number)):
            bits = number.bit_width if types.is_floating(number) else 32 if number.bit_width <= _EXACT_BITS else 64
            width, count = kind.list_size * bits // 8, dataset.count_rows()
            found |= {"length": kind.list_size, "dtype": f"float{bits}", "bytes": width, "count": count}
            found["needed"] = count * (COPIES * width + NAME)
    return found


def _is_name(schema: Any) -> bool:
    """Return whether the column ``image`` holds names rather than the images themselves."""
    import pyarrow.types as types

    kind = schema.field("image").type
    tests = (types.is_binary, types.is_large_binary, types.is_fixed_size_binary, types.is_nested)
    return not any(test(kind) for test in tests)


def _copy_rows(dataset: Any, about: Mapping[str, Any], limit: int, values: BinaryIO, names: TextIO) -> dict[str, Any]:
    """Write the features and names of all rows, few at a time; stop if they exceed the memory limit."""
    column, held, rows = about["column"], about["count"] * about["bytes"], 0
    columns = ["image", column] if about["named"] else [column]
    reading = {"batch_size": _ROWS, "batch_readahead": 1, "fragment_readahead": 1, "scan_in_order": True}
    for batch in dataset.to_batches(columns=columns, **reading):
        batch.validate(full=True)
        vectors = batch.column(column)
        # A text that the dataset has once may stand in every row.
        held += batch.nbytes - vectors.nbytes + NAME * len(batch)
        if held > limit:
            return {"needed": held}
        # Integers too as floating-point numbers: a number that is absent within a list is NaN then.
        numbers = vectors.drop_null().flatten().cast(about["dtype"], safe=False)
        values.write(numbers.to_numpy(zero_copy_only=False).tobytes())
        cells = batch.column("image").to_pylist() if about["named"] else [None] * len(batch)
        texts = [None if cell is None else str(cell) for cell in cells]
        names.write(json.dumps([texts, vectors.is_valid().to_pylist()]) + "\n")
        rows += len(batch)
    return {"rows": rows}


def _print(document: Mapping[str, Any]) -> None:
    print(json.dumps(document), flush=True)


def _limit_process(most: int) -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # the system has no such limit
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _main(folder: str, size: int, limit: int, out: Sequence[str]) -> None:
    import lance

    _limit_process(limit + LIBRARIES + 2 * size)
    try:
        dataset = lance.dataset(folder)
        about = described(dataset)
        _print(about)
        if out and about.get("length") and not about["elsewhere"] and about["needed"] <= limit:
            with (Path(out[0]) / VALUES).open("wb") as values, (Path(out[0]) / NAMES).open("w", encoding="utf-8") as names:
                _print(_copy_rows(dataset, about, limit, values, names))
    except Exception as error:  # over a damaged dataset Lance may raise anything
        _print({"fault": " ".join(str(error).split())[:120] or type(error).__name__})


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
