"""Fuzz every reader of an outside file, in processes that may crash, and write down how the cases ended.

    python benchmarks/fuzzing.py --cases 200000 --processes 2 --json benchmarks/results/fuzzing.json

A run that was stopped goes on where it was, by the finished pieces beside the record. Faults are listed with the reader and the
number of the case; ``--show READER NUMBER`` runs one case, and ``--keep`` writes its file to the corpus.
"""

from __future__ import annotations

import json
import mmap
import os
import resource
import signal
import struct
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

# The tests are no package: their folder is named first.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from record import leave, parser

from fuzz.cases import READ, REFUSED, Bench
from fuzz.corpus import keep
from fuzz.readers import READERS, Reader

PIECE = 250
"""Cases of one reader that a process runs before it reports."""
STALLED = 30.0
"""Seconds without a finished case after which a process is killed."""
ADDRESSES = 24 << 30
"""Bytes of addresses that a process may have: torch reserves some."""
SLOW = 10
"""How many times fewer cases of a slow reader are run."""


@dataclass
class Tally:
    """Count how the cases of a reader ended, and list those that ended badly."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    def told(self) -> dict[str, Any]:
        """Return the counts, faults and seconds as JSON values."""
        return {"counts": dict(self.counts), "faults": self.faults, "seconds": round(self.seconds, 3)}


def pieces(cases: int) -> list[tuple[str, int, int]]:
    """Share the cases among the readers, and cut them into pieces."""
    weights = {reader.name: 1.0 / SLOW if reader.slow else 1.0 for reader in READERS}
    listed = []
    for name, weight in weights.items():
        count = round(cases * weight / sum(weights.values()))
        listed += [(name, start, min(count, start + PIECE)) for start in range(0, count, PIECE)]
    return listed


def work(reader: Reader, start: int, stop: int, place: mmap.mmap, out: int) -> None:
    """Run cases in this process, note the number of the one that runs, and report counts and faults at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    tally, began = Tally(), time.process_time()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as scratch:
        bench = Bench(reader, Path(scratch) / "files")
        bench.warm()
        for number in range(start, stop):
            place[:8] = struct.pack("<q", number)
            outcome = bench.run(number)
            tally.counts[outcome.kind] += 1
            if outcome.kind not in (READ, REFUSED):
                tally.faults.append({"reader": reader.name, "case": number, **asdict(outcome)})
            tally.seconds = time.process_time() - began
            # A process that has once held much memory cannot see whether the next case takes as much.
            if outcome.kind == "memory":
                break
        else:
            number = stop
    place[:8] = struct.pack("<q", number)
    os.write(out, json.dumps({"next": min(stop, number + 1) if number < stop else stop, **tally.told()}).encode())


class Process:
    """Run one piece in a process, begin anew behind a case that ended it, and collect what all of them report."""

    def __init__(self, piece: tuple[str, int, int]) -> None:
        self.name, self.start, self.stop = piece
        self.reader = next(reader for reader in READERS if reader.name == self.name)
        self.tally = Tally()
        self.place = mmap.mmap(-1, 8)
        self._fork(self.start)

    def _fork(self, start: int) -> None:
        self.begun, self.seen = start, (start, time.monotonic())
        self.place[:8] = struct.pack("<q", start)
        self.pipe, out = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            try:
                work(self.reader, start, self.stop, self.place, out)
            finally:
                os._exit(0)
        os.close(out)

    def done(self) -> bool:
        """Look at the process; return whether the whole piece is done."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        number = struct.unpack("<q", self.place[:8])[0]
        if not pid:
            if number != self.seen[0]:
                self.seen = (number, time.monotonic())
            elif time.monotonic() - self.seen[1] > STALLED:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                os.close(self.pipe)
                return self._ended(number, "hang", f"killed after {STALLED:g} s")
            return False
        with os.fdopen(self.pipe, "rb") as pipe:
            report = pipe.read()
        if os.WIFSIGNALED(status):
            return self._ended(number, "crash", signal.Signals(os.WTERMSIG(status)).name)
        if not report:
            return self._ended(number, "crash", "it ended without a report")
        told = json.loads(report)
        self.tally.counts.update(told["counts"])
        self.tally.faults += told["faults"]
        self.tally.seconds += told["seconds"]
        return self._on(told["next"])

    def _ended(self, number: int, kind: str, fault: str) -> bool:
        """Count a case that ended the process; those before it, whose report is lost, were read or refused, or have a fault."""
        self.tally.counts["before a crash"] += number - self.begun
        self.tally.faults.append({"reader": self.name, "case": number, "kind": kind, "fault": fault, "where": ""})
        self.tally.counts[kind] += 1
        return self._on(number + 1)

    def _on(self, number: int) -> bool:
        if number >= self.stop:
            return True
        self._fork(number)
        return False


def main() -> None:
    """Run what is left of the cases, and write the record."""
    arguments = parser("Give damaged files to every reader of outside files, and count how the cases end.")
    arguments.add_argument("--cases", type=int, default=2000)
    arguments.add_argument("--processes", type=int, default=1)
    arguments.add_argument("--only", default="", help="readers, joined by commas")
    arguments.add_argument("--show", nargs=2, metavar=("READER", "NUMBER"), help="run one case")
    arguments.add_argument("--keep", action="store_true", help="with --show: write its file to the corpus")
    chosen = arguments.parse_args()
    if chosen.show:
        show(chosen.show[0], int(chosen.show[1]), chosen.keep)
        return
    journal = chosen.json.with_suffix(".journal") if chosen.json else None
    wanted = [piece for piece in pieces(chosen.cases) if not chosen.only or piece[0] in chosen.only.split(",")]
    finished = finished_in(journal)
    began = time.monotonic()
    run(wanted, finished, chosen.processes, journal)
    results = summary(wanted, finished, time.monotonic() - began)
    leave("fuzzing", results, chosen.json)
    if journal is not None:
        journal.unlink(missing_ok=True)
    sys.exit(bool(results["faults"]))


def run(wanted: list[tuple[str, int, int]], finished: dict[str, dict[str, Any]], count: int, journal: Path | None) -> None:
    """Run the pieces that are not finished, so many at a time, and write each down when it is done."""
    waiting = [piece for piece in wanted if key(piece) not in finished]
    running: list[Process] = []
    while waiting or running:
        while waiting and len(running) < count:
            running.append(Process(waiting.pop(0)))
        for process in [process for process in running if process.done()]:
            running.remove(process)
            piece = (process.name, process.start, process.stop)
            finished[key(piece)] = process.tally.told()
            if journal is not None:
                with journal.open("a") as file:
                    file.write(json.dumps({"piece": key(piece), **process.tally.told()}) + "\n")
        time.sleep(0.005)


def key(piece: tuple[str, int, int]) -> str:
    """Name a piece."""
    return "/".join(map(str, piece))


def finished_in(journal: Path | None) -> dict[str, dict[str, Any]]:
    """Read which pieces an earlier run has finished."""
    if journal is None or not journal.is_file():
        return {}
    rows = [json.loads(line) for line in journal.read_text().splitlines() if line.endswith("}")]
    return {row.pop("piece"): row for row in rows}


def summary(wanted: list[tuple[str, int, int]], finished: dict[str, dict[str, Any]], seconds: float) -> dict[str, Any]:
    """Sum the pieces by reader."""
    readers: dict[str, Counter[str]] = {}
    faults = []
    for piece in wanted:
        tally = finished[key(piece)]
        readers.setdefault(piece[0], Counter()).update(tally["counts"])
        faults += tally["faults"]
    return {
        "cases": sum(sum(counts.values()) for counts in readers.values()),
        "seconds": round(seconds, 1),
        "readers": {name: dict(sorted(counts.items())) for name, counts in readers.items()},
        "faults": faults,
    }


def show(name: str, number: int, kept: bool) -> None:
    """Run one case in this process, print how it ended, and keep its file where asked."""
    reader = next(reader for reader in READERS if reader.name == name)
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(reader, Path(scratch) / "files")
        seed, file, data = bench.case(number)
        if kept:
            print(keep(reader, bench.seeds.index(seed), file, number, data))
        print(file, len(data), bench.run_on(seed, file, data))


if __name__ == "__main__":
    main()
