"""Look at Arrow files in a process of its own, since bad offsets in one can end the interpreter that reads it.

The process has limits of memory and time. Its program is this file. It prints a line of JSON for each Arrow file: what is wrong
with it, or "" and the bytes that its unpacked columns take. It imports Arrow alone, so that it starts quickly.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

SECONDS = 60.0
"""How long a look may take beside what its size explains."""
BYTES_A_SECOND = 50 << 20
LIBRARIES = 1 << 31
"""Bytes of addresses that the interpreter and Arrow reserve, which are mostly never used."""


class ArrowVerdict(NamedTuple):
    """Hold the reason not to read a file ("" if it is safe), and the bytes it takes beyond the mapped file."""

    fault: str
    unpacked: int = 0


_verdicts: dict[str, tuple[tuple[int, int], ArrowVerdict]] = {}


def first_look(files: Sequence[Path], limit: int) -> list[ArrowVerdict]:
    """Check in one separate process that Arrow files are safe to read; unchanged files are not checked again.

    A file that ends the process, takes more than `limit` bytes beside its own size, or too long has that as its fault; the
    others are looked at all the same.
    """
    stamps = {file: (file.stat().st_size, file.stat().st_mtime_ns) for file in files}
    waiting = [file for file in dict.fromkeys(files) if _verdicts.get(str(file), ((), None))[0] != stamps[file]]
    fresh: dict[Path, ArrowVerdict] = {}
    while waiting and sys.executable:
        seen = _looked(waiting, limit, sum(stamps[file][0] for file in waiting))
        fresh.update(zip(waiting, seen, strict=False))
        waiting = waiting[len(seen) :]
    # One that takes too much was not looked at as a whole: with a larger limit it is looked at anew.
    _verdicts.update({str(file): (stamps[file], verdict) for file, verdict in fresh.items() if verdict.unpacked <= limit})
    return [fresh[file] if file in fresh else _verdicts.get(str(file), (None, ArrowVerdict("")))[1] for file in files]


def _looked(files: Sequence[Path], limit: int, size: int) -> list[ArrowVerdict]:
    """Return the verdicts of a checking process, up to the file that ended the process."""
    command = [sys.executable, "-P", "-W", "ignore", str(Path(__file__)), str(limit), *map(str, files)]
    try:
        done = subprocess.run(
            command, capture_output=True, check=False, timeout=SECONDS + size / BYTES_A_SECOND, stdin=subprocess.DEVNULL
        )
        output, fault = done.stdout, "reading it ends the interpreter" if done.returncode else ""
    except subprocess.TimeoutExpired as error:
        output, fault = error.stdout or b"", "reading it takes too long"
    verdicts = [ArrowVerdict(*json.loads(line)) for line in output.splitlines()[: len(files)]]
    if len(verdicts) < len(files):
        verdicts.append(ArrowVerdict(fault or "reading it ends early"))
    return verdicts


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
        return ArrowVerdict(" ".join(str(error).split())[:120] or type(error).__name__)


def _limit_process(limit: int, size: int) -> None:
    """Limit this process's memory to what a file of this size may take, and disable core dumps."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # the system has no such limit
        import resource

        most = limit + LIBRARIES + 2 * size
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _main(limit: int, files: Sequence[str]) -> None:
    import pyarrow  # noqa: F401 - its own addresses are no part of the limit

    _limit_process(limit, max(Path(file).stat().st_size for file in files))
    for file in files:
        print(json.dumps(look(file, limit)), flush=True)


if __name__ == "__main__":
    _main(int(sys.argv[1]), sys.argv[2:])
