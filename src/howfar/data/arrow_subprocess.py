"""Check that Arrow files are safe to read, and read Lance datasets, in a separate process, as damaged files can crash it.

The process has limits of memory and time. Its program is this file, which imports Arrow and Lance alone and so starts quickly.
It prints lines of JSON: for each Arrow file what is wrong with it, or "" and the bytes that its unpacked columns take; what a
Lance dataset is, and how many rows of features and names it wrote to a folder.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, TextIO

SECONDS = 60.0
"""How long the process may take beside what the size explains."""
BYTES_A_SECOND: Final = 50 << 20
LIBRARIES: Final = {"arrow": 1 << 31, "lance": 8 << 30}
"""Bytes of addresses that the interpreter and its libraries reserve, which are mostly never used."""
# Each thread reserves addresses, and of its own accord there would be several for every core.
_THREADS: Final = {"LANCE_CPU_THREADS": "1", "LANCE_IO_THREADS": "1", "TOKIO_WORKER_THREADS": "1", "MALLOC_ARENA_MAX": "2"}


def run(kind: str, paths: Sequence[Path], size: int, limit: int) -> tuple[list[Any], str]:
    """Run this program on the files of `size` bytes; return the lines that it printed, and why it ended early or ""."""
    command = [sys.executable, "-P", "-W", "ignore", __file__, kind, str(size), str(limit), *map(str, paths)]
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
    return [json.loads(line) for line in printed.splitlines() if line.startswith((b"{", b"["))], fault


def _limit_process(most: int) -> None:
    """Limit this process's memory, and disable core dumps."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # the system has no such limit
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _print(document: object) -> None:
    print(json.dumps(document), flush=True)


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


class ArrowVerdict(NamedTuple):
    """Hold the reason not to read a file ("" if it is safe), and the bytes it takes beyond the mapped file."""

    fault: str
    unpacked: int = 0


_verdicts: dict[str, tuple[tuple[int, int], ArrowVerdict]] = {}


def first_look(files: Sequence[Path], limit: int) -> list[ArrowVerdict]:
    """Check in one separate process that Arrow files are safe to read; unchanged files are not checked again.

    The fault of a file may be that it ends the process, takes too long, or more than `limit` bytes beside its own size.
    """
    stamps = {file: (file.stat().st_size, file.stat().st_mtime_ns) for file in files}
    waiting = [file for file in dict.fromkeys(files) if _verdicts.get(str(file), ((), None))[0] != stamps[file]]
    fresh: dict[Path, ArrowVerdict] = {}
    while waiting and sys.executable:
        lines, fault = run("arrow", waiting, sum(stamps[file][0] for file in waiting), limit)
        verdicts = [ArrowVerdict(*line) for line in lines[: len(waiting)]]
        if len(verdicts) < len(waiting):
            verdicts.append(ArrowVerdict(fault or "reading it ends early"))
        fresh.update(zip(waiting, verdicts, strict=False))
        waiting = waiting[len(verdicts) :]
    # One that takes too much was not looked at as a whole: with a larger limit it is looked at anew.
    _verdicts.update({str(file): (stamps[file], verdict) for file, verdict in fresh.items() if verdict.unpacked <= limit})
    return [fresh[file] if file in fresh else _verdicts.get(str(file), (None, ArrowVerdict("")))[1] for file in files]


def batches(source: Any) -> tuple[Any, Iterator[Any]]:
    """Return the schema and the validated batches of an Arrow file (stream or random access)."""
    import pyarrow as pa

    alone = pa.ipc.IpcReadOptions(use_threads=False)
    try:
        stream = pa.ipc.open_stream(source, options=alone)
        return stream.schema, map(_checked, stream)
    except pa.ArrowInvalid:
        source.seek(0)
        file = pa.ipc.open_file(source, options=alone)
        return file.schema, (_checked(file.get_batch(number)) for number in range(file.num_record_batches))


def _checked(batch: Any) -> Any:
    batch.validate(full=True)
    return batch


def look(file: str, limit: int) -> ArrowVerdict:
    """Check an Arrow file in this process; a damaged file may end the process."""
    import pyarrow as pa

    try:
        with pa.memory_map(file) as source:
            before, taken, kept = pa.total_allocated_bytes(), 0, []
            for batch in batches(source)[1]:
                kept.append(batch)
                taken = pa.total_allocated_bytes() - before
                if taken > limit:
                    break
            return ArrowVerdict("", taken)
    except MemoryError:
        return ArrowVerdict("", limit + 1)
    except Exception as error:  # over a damaged file Arrow may raise anything
        return ArrowVerdict(_words(error))


VECTORS: Final = ("embedding", "vector")
"""Columns that hold features, the first there is: howfar's name for it and LanceDB's."""
VALUES, NAMES = "values.bin", "names.jsonl"
NAME: Final = 100
"""Bytes of the name of a row, beside its text."""
COPIES: Final = 3
"""How many times the features are held at most, while they are read and used."""
_ROWS: Final = 1024
_EXACT_BITS: Final = 16
"""Bits of integers that float32 holds exactly; wider ones become float64."""


def described(dataset: Any) -> dict[str, Any]:
    """Describe a dataset: columns, metadata, references to other places, and the number and type of its features."""
    import pyarrow.types as types

    schema = dataset.schema
    notes = {key.decode("utf-8", "replace"): text.decode("utf-8", "replace") for key, text in (schema.metadata or {}).items()}
    found: dict[str, Any] = {"columns": schema.names, "notes": notes, "elsewhere": bool(dataset.base_paths()), "column": None}
    column = next((name for name in VECTORS if name in schema.names), None)
    if column is not None:
        kind = schema.field(column).type
        # A column `image` may hold the images themselves in place of names.
        image = schema.field("image").type if "image" in schema.names else None
        tests = (types.is_binary, types.is_large_binary, types.is_fixed_size_binary, types.is_nested)
        named = image is not None and not any(test(image) for test in tests)
        found |= {"column": column, "kind": str(kind), "length": 0, "named": named}
        number = kind.value_type if types.is_fixed_size_list(kind) else None
        if number is not None and (types.is_floating(number) or types.is_integer(number)):
            bits = number.bit_width if types.is_floating(number) else 32 if number.bit_width <= _EXACT_BITS else 64
            width, count = kind.list_size * bits // 8, dataset.count_rows()
            found |= {"length": kind.list_size, "dtype": f"float{bits}", "bytes": width, "count": count}
            found["needed"] = count * (COPIES * width + NAME)
    return found


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


def _look_at_files(size: int, limit: int, files: Sequence[str]) -> None:
    import pyarrow  # noqa: F401 - its own addresses are no part of the limit

    _limit_process(limit + LIBRARIES["arrow"] + 2 * max(Path(file).stat().st_size for file in files))
    for file in files:
        _print(look(file, limit))


def _copy_dataset(size: int, limit: int, places: Sequence[str]) -> None:
    """Describe the Lance dataset at the first place, and write its features and names to the second, if there is one."""
    import lance

    _limit_process(limit + LIBRARIES["lance"] + 2 * size)
    try:
        dataset = lance.dataset(places[0])
        about = described(dataset)
        _print(about)
        if len(places) > 1 and about.get("length") and not about["elsewhere"] and about["needed"] <= limit:
            out = Path(places[1])
            with (out / VALUES).open("wb") as values, (out / NAMES).open("w", encoding="utf-8") as names:
                _print(_copy_rows(dataset, about, limit, values, names))
    except Exception as error:  # over a damaged dataset Lance may raise anything
        _print({"fault": _words(error)})


if __name__ == "__main__":
    {"arrow": _look_at_files, "lance": _copy_dataset}[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
