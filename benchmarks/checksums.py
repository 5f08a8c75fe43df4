"""Measure what the checksums of stores and results cost, and flip bits in a store: every one must be found or do no harm.

Time is the process's own on the processor, of runs that take turns, each with checksums and without. Two costs are given: the
ratio of the medians, and the share of a run's time that is spent in the checks, which the noise of a busy machine moves less.
"""

from __future__ import annotations

import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from threading import local
from typing import Any
from unittest import mock

import numpy as np
from record import leave, parser, spread

import howfar
from howfar.backbones import load_backbone
from howfar.data import content_hash
from howfar.demo import write_dataset
from howfar.io import embedded_checksum
from howfar.results import checksums_and_overwrite_guard as file_guard
from howfar.results import evaluation_result
from howfar.store import FeatureStore, Store, shard_catalog, shards

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from worlds.store_trials import flip_bits, shares

WARM = {"pooled, q = 1,280": (1280, 250), "SAM's, q = 1,048,576": (1 << 20, 50)}
RESULTS = 2000
"""Images of a run and of an evaluation that are read."""
EMBEDDED = ("efficientnet_lite0", "pixels")


class Known:
    """A backbone whose every feature is in the store."""

    def __init__(self, length: int) -> None:
        self.name, self.layers, self.identity = "known", (length,), {"name": "known", "length": length}

    def prepare(self, image: Any) -> Any:
        """Refuse."""
        raise AssertionError("an image was embedded anew")

    def embed(self, batch: Any) -> Any:
        """Refuse."""
        raise AssertionError("an image was embedded anew")


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--images", type=float, default=1.0, help="of the usual number of images, this share")
    options.add_argument("--embedded", type=int, default=48, help="images that are embedded")
    options.add_argument("--repeats", type=int, default=7)
    options.add_argument("--flips", type=int, default=1000)
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        results: dict[str, Any] = {"gigabytes a second": speed(), "warm compare": {}, "embedding": {}}
        for name, (length, images) in WARM.items():
            case = warm(root / str(length), length, max(4, int(images * arguments.images)))
            results["warm compare"][name] = {"q": length, **measured(case, CHECKING, arguments.repeats)}
        for backbone in EMBEDDED:
            case = embedding(root / backbone, backbone, arguments.embedded)
            results["embedding"][backbone] = {"images": arguments.embedded, **measured(case, WRITING, arguments.repeats)}
        results["reading results"] = {
            name: measured(case, READING, arguments.repeats)
            for name, case in reading(root / "results", max(50, int(RESULTS * arguments.images))).items()
        }
        results["flipped bits"] = flipped(root / "flips", arguments.flips)
    leave("checksums", results, arguments.json)


def speed() -> dict[str, dict[str, float]]:
    """Return the gigabytes of rows of 5 kB and of 4 MB that are summed in a second, by howfar and by what could be instead."""
    data = memoryview(np.random.default_rng(0).bytes(1 << 26))
    rates: dict[str, dict[str, float]] = {}
    for name, sum_of in (("howfar, XXH3", shards.checksum), ("zlib.crc32", zlib.crc32)):
        for rows, size in (("rows of 5 kB", 5120), ("rows of 4 MB", 1 << 22)):
            begun = time.process_time()
            for start in range(0, len(data), size):
                sum_of(data[start : start + size])
            rates.setdefault(name, {})[rows] = len(data) / (time.process_time() - begun) / 1e9
    return rates


def warm(root: Path, length: int, images: int) -> Callable[[], Any]:
    """Fill a store with features of two demo datasets, and return the comparison that reads them."""
    folders = [root / "roads", root / "site"]
    backbone, rng = Known(length), np.random.default_rng(0)
    features = Store(root / "store").open(backbone.identity, length)
    for seed, folder in enumerate(folders):
        write_dataset(folder, images, seed=seed)
        files = sorted(path for path in folder.rglob("*") if path.suffix in (".jpg", ".png") and path.parent.name == "images")
        contents = [content_hash(path.read_bytes()) for path in files]
        for start in range(0, len(files), 16):
            batch = slice(start, start + 16)
            rows = rng.standard_normal((len(contents[batch]), length), dtype=np.float32)
            features.add(contents[batch], [str(path) for path in files[batch]], rows)
    features.pack()
    # The trivial backbones' features are in the store from the first run on.
    return lambda _: howfar.compare(folders[0], folders[1:], backbone, store=root / "store", progress=False, workers=1)


def embedding(root: Path, name: str, images: int) -> Callable[[], Any]:
    """Return what embeds a demo dataset into a store that is new each time."""
    write_dataset(root / "roads", images, seed=0)
    backbone = load_backbone(name)
    return lambda turn: howfar.embed(root / "roads", backbone, root / f"store-{turn}", progress=False, workers=1)


def reading(root: Path, images: int) -> dict[str, Callable[[Any], Any]]:
    """Write a run and an evaluation of made numbers of so many images, and return what loads the one and the other."""
    root.mkdir()
    rng = np.random.default_rng(0)
    p, s = (rng.normal(place, 1, (images, 16)) for place in range(2))
    howfar.compare(p, s, bootstrap=9, permutations=9, rivals=False, out=root / "run", progress=False)
    few = write_dataset(root / "few", 8, seed=0, size=32)
    evaluation = howfar.evaluate(few, few / "masks", progress=False)
    rows = evaluation.images.iloc[np.arange(images) % len(evaluation.images)].reset_index(drop=True)
    replace(evaluation, images=rows.assign(image=[f"{row}.jpg" for row in range(images)])).save(root / "e.parquet")
    run, file = root / "run", root / "e.parquet"
    # A load takes milliseconds: too little for one measurement.
    return {
        "run": lambda _: [howfar.Comparison.load(run).images for _ in range(20)],
        "evaluation": lambda _: [howfar.Evaluation.load(file) for _ in range(20)],
    }


def measured(run: Callable[[int], Any], costly: tuple[tuple[Any, str], ...], repeats: int) -> dict[str, Any]:
    """Time a run with checksums and without, in turns after one that is not counted."""
    run(-1)
    seconds: dict[str, list[float]] = {"with": [], "without": []}
    inside: list[float] = []
    for turn in range(2 * repeats):
        which = ("with", "without")[(turn + turn // 2) % 2]
        with timed(costly) if which == "with" else none() as spent:
            begun = time.process_time()
            run(turn)
            seconds[which].append(time.process_time() - begun)
        if which == "with":
            inside.append(sum(spent) / seconds[which][-1])
    medians = {which: spread(values) for which, values in seconds.items()}
    return {
        "seconds": medians,
        "ratio of medians": medians["with"]["median"] / medians["without"]["median"],
        "share inside the checks": spread(inside),
    }


CHECKING = ((FeatureStore, "verify"), (shard_catalog.ShardCatalog, "check"), (embedded_checksum, "_digits"))
READING = (
    (file_guard, "check_table"),
    (file_guard, "check_document"),
    (evaluation_result, "check_table"),
)
WRITING = ((shards, "checksums_of"), (embedded_checksum, "_digits"))


@contextmanager
def timed(functions: tuple[tuple[Any, str], ...]) -> Iterator[list[float]]:
    """Add up the processor time that functions take in their own thread, where one calls another once.

    The opening of matrices is left out: who reads without checks opens them too, a little later.
    """
    spent: list[float] = []
    here = local()

    def clocked(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            if getattr(here, "inside", False):
                return function(*arguments, **named)
            here.inside, begun = True, time.thread_time()
            try:
                return function(*arguments, **named)
            finally:
                here.inside = False
                spent.append(time.thread_time() - begun)

        return call

    opening = shard_catalog.ShardCatalog.matrix

    def opened(*arguments: Any) -> Any:
        begun = time.thread_time()
        matrix = opening(*arguments)
        if getattr(here, "inside", False):
            spent.append(begun - time.thread_time())
        return matrix

    with ExitStack() as patches:
        patches.enter_context(mock.patch.object(shard_catalog.ShardCatalog, "matrix", opened))
        for owner, name in functions:
            patches.enter_context(mock.patch.object(owner, name, clocked(getattr(owner, name))))
        yield spent


@contextmanager
def none() -> Iterator[list[float]]:
    """Do without checksums: none is computed, of rows or of indexes, and none is compared."""
    with ExitStack() as patches:
        patches.enter_context(mock.patch.object(FeatureStore, "verify", return_value=()))
        patches.enter_context(mock.patch.object(shard_catalog.ShardCatalog, "check"))
        patches.enter_context(mock.patch.object(shards, "checksums_of", lambda block: [0] * len(block)))
        patches.enter_context(mock.patch.object(shard_catalog, "checksums_of", lambda block: [0] * len(block)))
        patches.enter_context(mock.patch.object(embedded_checksum, "_digits", lambda data, at, _: data[at : at + 16]))
        for owner, name in READING:
            patches.enter_context(mock.patch.object(owner, name))
        yield []


def flipped(root: Path, count: int) -> Mapping[str, Any]:
    flips = flip_bits(root, count)
    return {"flipped": flips.total, "by part": shares(flips), "wrong": flips.wrong, "broken": flips.broken}


if __name__ == "__main__":
    main()
