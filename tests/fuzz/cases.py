"""Make a case of fuzzing by its number, run it, and say how it ended."""

import json
import os
import random
import resource
import shutil
import signal
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from fuzz.mutations import damage
from fuzz.readers import Reader
from fuzz.seeds import Folder
from howfar.data.arrow_subprocess import ArrowVerdict, look
from howfar.data.containers import parquet_and_arrow
from howfar.errors import HowfarError
from howfar.memory import within

BUDGET = 256 << 20
"""Bytes that a reader is told it may take."""
SLACK = 256 << 20
"""Bytes that a case may take above that: what the interpreter and libraries hold of their own."""
SECONDS = 5.0
"""How long a case may take, of the processor's time: others may be at work."""
READ, REFUSED = "read", "refused"


class TooLong(BaseException):
    """Say that a case takes too long; no reader's `except Exception` stops it."""


@dataclass
class Outcome:
    """Say how a case ended: read, refused, or a fault with what was raised and where."""

    kind: str
    fault: str = ""
    where: str = ""


class Bench:
    """Hold the seeds of a reader in a folder, in which one file at a time is damaged."""

    def __init__(self, reader: Reader, folder: Path) -> None:
        self.reader, self.folder = reader, folder
        self.seeds = list(reader.seeds())
        self.seconds = SECONDS
        self._written: Folder | None = None

    def warm(self) -> list[Outcome]:
        """Read the seeds as they are, which loads what the reader needs."""
        return [self.run_on(seed, next(iter(seed)), seed[next(iter(seed))]) for seed in self.seeds]

    def case(self, number: int) -> tuple[Folder, str, bytes]:
        """Return the seed of a case, the name of the file that is damaged, and its bytes."""
        rng = random.Random(f"{self.reader.name}/{number}")
        seed = rng.choice(self.seeds)
        names = list(seed)
        name = names[0] if rng.random() < 0.6 else rng.choice(names)
        return seed, name, damage(name, seed[name], rng)

    def run(self, number: int) -> Outcome:
        """Run one case."""
        return self.run_on(*self.case(number))

    def run_on(self, seed: Folder, name: str, data: bytes) -> Outcome:
        """Write a seed with one file replaced, and read it."""
        if self._written is not seed:
            shutil.rmtree(self.folder, ignore_errors=True)
            for path, content in seed.items():
                (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
                (self.folder / path).write_bytes(content)
            self._written = seed
        (self.folder / name).write_bytes(data)
        try:
            return self._read()
        finally:
            (self.folder / name).write_bytes(seed[name])

    def _read(self) -> Outcome:
        before = peak()
        try:
            with (
                patch.object(parquet_and_arrow, "first_look", look_by_fork),
                limited_time(self.seconds),
                within(BUDGET),
                warnings.catch_warnings(),
            ):
                warnings.simplefilter("ignore")
                self.reader.read(self.folder)
            outcome = Outcome(READ)
        except HowfarError as error:
            text = str(error)
            outcome = Outcome(REFUSED) if "\n" not in text.strip() else Outcome("lines", text[:200])
        except TooLong as error:
            outcome = Outcome("hang", f"over {SECONDS:g} s", where(error))
        except Exception as error:
            outcome = Outcome("traceback", f"{type(error).__name__}: {str(error)[:120]}", where(error))
        taken = peak() - before
        return Outcome("memory", f"{taken >> 20} MiB more") if taken > BUDGET + SLACK else outcome


def look_by_fork(files: Sequence[Path], limit: int) -> list[ArrowVerdict]:
    """Look at Arrow files as `first_look` does, in a process that begins at once since it is a copy of this one."""
    return [_looked(file, limit) for file in files]


def _looked(file: Path, limit: int) -> ArrowVerdict:
    inward, out = os.pipe()
    pid = os.fork()
    if not pid:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os.write(out, json.dumps(look(str(file), limit)).encode())
        os._exit(0)
    os.close(out)
    with os.fdopen(inward, "rb") as pipe:
        told = pipe.read()
    os.waitpid(pid, 0)
    return ArrowVerdict(*json.loads(told)) if told else ArrowVerdict("reading it ends the interpreter")


def peak() -> int:
    """Return the most memory that this process has held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def where(error: BaseException) -> str:
    """Name the last line of howfar that an error passed."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "howfar" in frame.filename]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""


@contextmanager
def limited_time(seconds: float) -> Iterator[None]:
    """Raise `TooLong` where the block takes too long."""

    def stop(*_: Any) -> None:
        raise TooLong

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
