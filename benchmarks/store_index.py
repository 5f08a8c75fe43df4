"""Measure the store's index: opening a store of made entries, finding contents in it, adding to it, and peers that do the same.

The large store is an index file alone (`howfar.store.sqlite_index`), whose entries follow from their numbers, and shards that
are names: no feature is in it. Each of its measurements has a process of its own. Finding is timed twice: after the file was
dropped from the system's cache, so that the disk is asked, and again. The peer is a dict, built from the same shards; the store
that both are compared on is a whole one, with features of 4 numbers.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from record import leave, parser, spread

from howfar.memory import peak_mib
from howfar.store import FeatureStore, Store, shards
from howfar.store.shard_catalog import READ_AT_ONCE
from howfar.store.shards import HexContents, Shard
from howfar.store.sqlite_index import FILE, Index

ROWS = 16_384
"""Rows of a made shard: 64 MiB of 1,024 numbers each."""
LENGTH = 4
SMALL = (100, 10_000)


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--entries", type=int, default=10_000_000, help="entries of the large store")
    options.add_argument("--added", type=int, default=1_000_000, help="entries that are added to it")
    options.add_argument("--asked", type=int, default=100_000, help="contents that are looked for")
    options.add_argument("--peers", type=int, default=1_000_000, help="entries of the store that peers are compared on")
    options.add_argument("--repeats", type=int, default=5)
    options.add_argument("--folder", type=Path, help="where the stores are made, and deleted afterwards")
    options.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = options.parse_args()
    if arguments.measure:
        print(json.dumps(measured(arguments.measure, arguments.entries, arguments.added, arguments.asked)))
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
        root = Path(scratch)
        sizes = [*(size for size in SMALL if size < arguments.peers), arguments.peers]
        results: dict[str, Any] = {"peers": {size: peers(root, size, arguments) for size in sizes}}
        results["large"] = large(root / "large", arguments)
    leave("store_index", results, arguments.json)


def digests(numbers: NDArray[np.uint64], entries: int) -> NDArray[np.uint64]:
    """Make the digest of the entries of some numbers, which rises with the number; (n, 2)."""
    with np.errstate(over="ignore"):
        mixed = numbers * np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        step = np.uint64(2**64 // entries)
        return np.stack([numbers * step + mixed % step, mixed ^ (mixed >> np.uint64(31))], axis=1)


def shard_of(k: int, entries: int) -> Shard:
    """Make a shard whose entries are spread over all of them as if by chance."""
    factor = next(factor for factor in range(7_368_787, 2**24, 2) if np.gcd(factor, entries) == 1)
    numbers = (np.arange(k * ROWS, min((k + 1) * ROWS, entries)) * factor % entries).astype(np.uint64)
    count = len(numbers)
    return Shard(f"{k:032x}", count, HexContents(digests(numbers, entries)), np.arange(count), np.zeros(count, np.uint64))


def made(root: Path, entries: int) -> float:
    """Make the large store, and return the seconds that its index file took."""
    features = Store(root).open({"name": "made"}, LENGTH)
    folder = Path(features.folder) / "shards"
    made_shards = [shard_of(k, entries) for k in range(-(-entries // ROWS))]
    for shard in made_shards:
        for suffix in (".parquet", ".npy"):
            (folder / f"{shard.id}{suffix}").touch()
    begun = time.perf_counter()
    index = Index(folder.parent.name, {})
    index.attach(folder / FILE, make=True)
    for start in range(0, len(made_shards), READ_AT_ONCE):
        index.insert(made_shards[start : start + READ_AT_ONCE])
        index.save()
    return time.perf_counter() - begun


def large(root: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    seconds = made(root, arguments.entries)
    (run,) = root.glob(f"*/shards/{FILE}")
    size = run.stat().st_size
    command = [sys.executable, __file__, "--measure", str(root)]
    for name in ("entries", "added", "asked"):
        command += [f"--{name}", str(getattr(arguments, name))]
    found = []
    for turn in range(arguments.repeats):
        if hasattr(os, "posix_fadvise"):
            with run.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if turn < arguments.repeats - 1:
            found.append(told([*command, "--added", "0"]))
        else:
            found.append(told(command))
    return {
        "entries": arguments.entries,
        "shards": -(-arguments.entries // ROWS),
        "bytes an entry": size / arguments.entries,
        "seconds to write the index file": seconds,
        "asked": arguments.asked,
        **{name: spread([each[name] for each in found]) for name in found[0] if not name.startswith("added")},
        "added": arguments.added,
        **{name: value for name, value in found[-1].items() if name.startswith("added")},
    }


def told(command: Sequence[str]) -> dict[str, float]:
    answer: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return answer


def measured(root: Path, entries: int, added: int, asked: int) -> dict[str, float]:
    """Open the large store in this process, find contents in it, and add to it."""
    before = peak_mib()
    begun, processor = time.perf_counter(), time.process_time()
    features = Store(root).open({"name": "made"}, LENGTH)
    found = {"seconds to open": time.perf_counter() - begun, "processor seconds to open": time.process_time() - processor}
    rng = np.random.default_rng(os.getpid())
    known = list(HexContents(digests(rng.integers(0, entries, asked).astype(np.uint64), entries)))
    others = list(HexContents(rng.integers(0, 2**63, (asked, 2)).astype(np.uint64)))
    for name, contents, there in (
        ("seconds to find them, from disk", known, True),
        ("seconds to find them, read before", known, True),
        ("seconds to miss as many others, from disk", others, False),
    ):
        begun, processor = time.perf_counter(), time.process_time()
        holds = features._catalog.holds(contents)
        found[name] = time.perf_counter() - begun
        found[f"processor {name}"] = time.process_time() - processor
        assert (holds == there).all()
    begun = time.perf_counter()
    alone = known[: max(1, asked // 10)]
    assert all(content in features._catalog for content in alone)
    found["microseconds for one alone"] = (time.perf_counter() - begun) / len(alone) * 1e6
    found["peak MiB above the imports"] = peak_mib() - before
    return {**found, **(adding(features, added) if added else {})}


def adding(features: FeatureStore, added: int) -> dict[str, float]:
    """Tell the index of new shards, which are written to the index file."""
    rng = np.random.default_rng(1)
    new = []
    for start in range(0, added, ROWS):
        count = min(ROWS, added - start)
        both = rng.integers(0, 2**63, (count, 2)).astype(np.uint64)
        new.append(Shard(shards.new_id(), count, HexContents(both), np.arange(count), np.zeros(count, np.uint64)))
    begun, processor = time.perf_counter(), time.process_time()
    for shard in new:
        features._catalog.insert(shard)
    seconds, busy = time.perf_counter() - begun, time.process_time() - processor
    return {"added to the index a second": added / seconds, "added to the index a processor second": added / busy}


def peers(root: Path, size: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Fill a store with features of so many images, and compare howfar's index and a dict on it."""
    rng = np.random.default_rng(size)
    contents = list(HexContents(rng.integers(0, 2**63, (size, 2)).astype(np.uint64)))
    step = min(size, 8_192)
    identity = {"name": f"of {size}"}
    features = Store(root).open(identity, LENGTH)
    begun, processor = time.perf_counter(), time.process_time()
    for start in range(0, size, step):
        batch = contents[start : start + step]
        features.add(batch, ["x.png"] * len(batch), np.ones((len(batch), LENGTH), np.float32))
    seconds, busy = time.perf_counter() - begun, time.process_time() - processor
    asked = [contents[k] for k in rng.integers(0, size, min(size, arguments.asked))]
    catalog = features._catalog

    def as_dict() -> dict[str, tuple[str, int]]:
        places: dict[str, tuple[str, int]] = {}
        for shard_id in shards.ids(catalog.folder):
            read = shards.read_entries(catalog.folder, shard_id, catalog.layout)
            places.update({content: (shard_id, row) for content, row in zip(read.contents, read.rows, strict=True)})
        return places

    def in_howfar(opened: FeatureStore) -> Any:
        return opened._catalog.locate(asked)

    cases: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
        "howfar": (lambda: Store(root).open(identity, LENGTH), in_howfar),
        "dict of strings": (as_dict, lambda places: [places[content] for content in asked]),
    }
    return {
        "added a second, synced": size / seconds,
        "added a processor second": size / busy,
        "asked": len(asked),
        "by": timed(cases, arguments.repeats),
    }


def timed(cases: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]], repeats: int) -> dict[str, Any]:
    """Time opening and finding, in processor seconds of runs that take turns."""
    seconds: dict[str, dict[str, list[float]]] = {name: {"open": [], "find": []} for name in cases}
    for _ in range(repeats):
        for name, (opening, find) in cases.items():
            begun = time.process_time()
            opened = opening()
            between = time.process_time()
            find(opened)
            seconds[name]["find"].append(time.process_time() - between)
            seconds[name]["open"].append(between - begun)
            del opened
    return {name: {what: spread(values) for what, values in each.items()} for name, each in seconds.items()}


if __name__ == "__main__":
    main()
