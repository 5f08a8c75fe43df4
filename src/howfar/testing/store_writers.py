"""Images by number, their features, and processes that store them: what the tests of a store work with."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from howfar.store import FeatureStore, Store

IDENTITY = {"name": "conformance", "layer": "last", "mean": [0.5, 0.5, 0.5]}
LENGTH = 24


def content(k: int) -> str:
    """The content hash of the k-th image of these tests."""
    return hashlib.sha256(str(k).encode()).hexdigest()


def feature(k: int, length: int = LENGTH) -> NDArray[np.float32]:
    """The feature of the k-th image, shape (length,): what must come back."""
    return np.random.default_rng(k).standard_normal(length, dtype=np.float32)


def expected(ks: Iterable[int], length: int = LENGTH) -> NDArray[np.float32]:
    """The features of several images, shape (b, length)."""
    return np.array([feature(k, length) for k in ks], np.float32).reshape(-1, length)


def add(features: FeatureStore, ks: Sequence[int]) -> None:
    """Add the features of several images as one shard."""
    features.add([content(k) for k in ks], [f"images/{k}.png" for k in ks], expected(ks, features.length))


def read(features: FeatureStore, ks: Sequence[int]) -> NDArray[np.floating]:
    """Read the features of several images by rows."""
    return features.select([content(k) for k in ks]).rows(0, len(ks))


class Writer:
    """Another process that adds batches of four images to a store, one after the other, skipping what is there.

    Parameters
    ----------
    store
        The store, which is pickled.
    folder
        Where its pickle goes.
    first, last
        The images it adds.
    length
        Of their features.
    """

    def __init__(self, store: Store, folder: Path, first: int, last: int, length: int) -> None:
        folder.mkdir()
        (folder / "task.pickle").write_bytes(pickle.dumps((store, first, last, length)))
        command = [sys.executable, "-c", "from howfar.testing.store_writers import write; write()", str(folder / "task.pickle")]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def go(self) -> None:
        """Wait until it stands ready, and let it begin."""
        assert self._process.stdin is not None
        assert self._heard() == "ready\n"
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def await_batch(self) -> None:
        """Wait until it has added a batch."""
        assert self._heard() == "added\n"

    def kill(self) -> None:
        """End it as a power cut would, without a last word."""
        self._process.kill()
        self.wait()

    def wait(self) -> int:
        """Wait for its end and give its exit status."""
        with self._process as process:
            return process.wait()

    def _heard(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def write() -> None:
    """What a `Writer` runs; the path of its task is the last argument."""
    store, first, last, length = pickle.loads(Path(sys.argv[-1]).read_bytes())
    # What is imported on first use is imported now, so that writing begins at the word.
    add(store.open({"name": "warm-up"}, length), [0])
    _say("ready")
    sys.stdin.readline()
    features = store.open(IDENTITY, length)
    for start in range(first, last, 4):
        fresh = [k for k in range(start, min(start + 4, last)) if not features.contains(content(k))]
        if fresh:
            add(features, fresh)
            _say("added")


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()
