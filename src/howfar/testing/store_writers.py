"""Provide numbered test images, their features, and processes that write them to a store, for tests of a store."""

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


class Writer:
    """Run another process that adds images of a range to a store in batches of four, skipping those that it holds.

    The store is pickled into `folder`; `length` is that of the features.
    """

    def __init__(self, store: Store, folder: Path, first: int, last: int, length: int) -> None:
        folder.mkdir()
        (folder / "task.pickle").write_bytes(pickle.dumps((store, first, last, length)))
        command = [sys.executable, "-c", "from howfar.testing.store_writers import write; write()", str(folder / "task.pickle")]
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
