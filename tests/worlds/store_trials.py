"""Put a store to the test: write to it from several processes, flip bits in its files, and count what goes unnoticed."""

import hashlib
import logging
import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from howfar.store import FeatureStore, Store
from howfar.store.feature_store import NAME
from howfar.store.shards import ARRAY, INDEX

IDENTITY = {"name": "conformance", "layer": "last", "mean": [0.5, 0.5, 0.5]}
LENGTH = 24


def content(k: int) -> str:
    """Hash the content of the k-th test image."""
    return hashlib.sha256(str(k).encode()).hexdigest()


def feature(k: int, length: int = LENGTH) -> NDArray[np.float32]:
    """Draw the feature of the k-th test image, shape (length,)."""
    return np.random.default_rng(k).standard_normal(length, dtype=np.float32)


def expected(ks: Iterable[int], length: int = LENGTH) -> NDArray[np.float32]:
    """Draw the features of several test images, shape (b, length)."""
    return np.array([feature(k, length) for k in ks], np.float32).reshape(-1, length)


def add(features: FeatureStore, ks: Sequence[int]) -> None:
    """Add the features of several images as one shard."""
    features.add([content(k) for k in ks], [f"images/{k}.png" for k in ks], expected(ks, features.length))


def read(features: FeatureStore, ks: Sequence[int]) -> NDArray[np.floating]:
    """Read the features of several images by rows."""
    return features.select([content(k) for k in ks]).rows(0, len(ks))


HEADER, ROW = 128, 4 * LENGTH
"""Bytes of the header of a shard's matrix, and of a row of it."""


def opened(features: FeatureStore) -> FeatureStore:
    """Open the same features again."""
    return Store(str(features.folder).rpartition("/")[0]).open(IDENTITY, LENGTH)


def known(features: FeatureStore, ks: Iterable[int]) -> list[int]:
    """List the images that are stored."""
    return [k for k in ks if features.contains(content(k))]


def spoil(features: FeatureStore, suffix: str, change: Callable[[bytearray], object], which: int = 0) -> None:
    """Change the bytes of the manifest, or of a file of the older shard (or the younger, `which` = 1)."""
    folder = features._home if suffix == NAME else features._catalog.folder
    name = sorted(name for name in folder.names() if name.endswith(suffix))[which]
    data = bytearray(folder.read(name))
    change(data)
    with folder.appearing(name) as file:
        file.write(data)


class Writer:
    """Run another process that adds images of a range to a store in batches of four, skipping those that it holds.

    The store is pickled into `folder`; `length` is that of the features.
    """

    def __init__(self, store: Store, folder: Path, first: int, last: int, length: int) -> None:
        folder.mkdir()
        (folder / "task.pickle").write_bytes(pickle.dumps((store, first, last, length)))
        command = [sys.executable, "-c", "from worlds.store_trials import write; write()", str(folder / "task.pickle")]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def go(self) -> None:
        """Wait until the process is ready, and let it begin."""
        assert self._process.stdin is not None
        assert self._heard() == "ready\n"
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def await_batch(self) -> None:
        """Wait until the process has added a batch."""
        assert self._heard() == "added\n"

    def kill(self) -> None:
        """Kill the process, so that it cannot clean up."""
        self._process.kill()
        self.wait()

    def wait(self) -> int:
        """Wait for the process to end and return its exit status."""
        with self._process as process:
            return process.wait()

    def _heard(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def write() -> None:
    """Write batches in the process of a `Writer`; the path of its task is the last command-line argument."""
    store, first, last, length = pickle.loads(Path(sys.argv[-1]).read_bytes())
    # The first write imports modules, so it happens before the process reports that it is ready.
    add(store.open({"name": "warm-up"}, length), [0])
    print("ready", flush=True)
    sys.stdin.readline()
    features = store.open(IDENTITY, length)
    for start in range(first, last, 4):
        fresh = [k for k in range(start, min(start + 4, last)) if not features.contains(content(k))]
        if fresh:
            add(features, fresh)
            print("added", flush=True)


PARTS = ("data", "header", "index", "manifest")
IMAGES = 12
_HEADER = 128


@dataclass
class Flips:
    """Count what became of flipped bits, by the part of the store that they lie in.

    Attributes
    ----------
    found
        What was altered counts as absent, or was written anew, and the log says so.
    harmless
        Nothing was found, and every number is as it was.
    wrong
        Flips after which a number was another, or an image counted as absent of which nothing was said.
    broken
        Flips after which the store could not be opened or read.
    """

    found: Counter[str] = field(default_factory=Counter)
    harmless: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Return how many bits were flipped."""
        return self.found.total() + self.harmless.total() + len(self.wrong) + len(self.broken)


def flip_bits(root: Path, count: int, seed: int = 0) -> Flips:
    """Make a store in an empty folder, and flip bits in it one at a time, as many in each of its `PARTS`."""
    features = Store(root).open(IDENTITY, LENGTH)
    for start in range(0, IMAGES, 4):
        add(features, range(start, start + 4))
    folder, rng, flips = Path(features.folder), np.random.default_rng(seed), Flips()
    files = {
        "data": sorted(folder.glob(f"*/*{ARRAY}")),
        "header": sorted(folder.glob(f"*/*{ARRAY}")),
        "index": sorted(folder.glob(f"*/*{INDEX}")),
        "manifest": [folder / NAME],
    }
    for k in range(count):
        part = PARTS[k % len(PARTS)]
        path = files[part][int(rng.integers(len(files[part])))]
        whole = path.read_bytes()
        first, last = {"data": (_HEADER, len(whole)), "header": (0, _HEADER)}.get(part, (0, len(whole)))
        position, bit = int(rng.integers(first, last)), int(rng.integers(8))
        spoilt = bytearray(whole)
        spoilt[position] ^= 1 << bit
        path.write_bytes(spoilt)
        try:
            _judge(root, flips, part, f"bit {bit} of byte {position} of {path.name}")
        finally:
            path.write_bytes(whole)
    return flips


def _judge(root: Path, flips: Flips, part: str, flip: str) -> None:
    with _heard() as lines:
        try:
            features = Store(root).open(IDENTITY, LENGTH)
            present = _present(features)
            same = np.array_equal(read(features, present), expected(present))
        # Whatever is raised would have ended the command.
        except Exception as error:
            flips.broken.append(f"{part}: {flip}: {type(error).__name__}: {error}")
            return
    if not same or (len(present) < IMAGES and not lines):
        flips.wrong.append(f"{part}: {flip}")
    elif lines:
        flips.found[part] += 1
    else:
        flips.harmless[part] += 1


def _present(features: FeatureStore) -> list[int]:
    features.verify([content(k) for k in range(IMAGES)])
    return [k for k in range(IMAGES) if features.contains(content(k))]


@contextmanager
def _heard() -> Iterator[list[str]]:
    """Collect what the store says in its log, which is not shown meanwhile."""
    lines: list[str] = []
    log = logging.getLogger("howfar.store")
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]  # the one thing it does
    log.addHandler(handler)
    before, log.propagate = log.propagate, False
    try:
        yield lines
    finally:
        log.propagate = before
        log.removeHandler(handler)


def shares(flips: Flips) -> Mapping[str, Mapping[str, int]]:
    """Return how many flips of each part were found and did no harm."""
    return {part: {"found": flips.found[part], "harmless": flips.harmless[part]} for part in PARTS}
