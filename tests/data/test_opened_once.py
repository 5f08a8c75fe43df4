"""A Parquet table that is a dataset is opened once, from the argument to the result, as the system counts it."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import howfar
from howfar.demo import write_dataset

OPENED, READ, CLOSED = 0x20, 0x01, 0x18


@contextmanager
def openings(path: Path) -> Iterator[Callable[[], int]]:
    """Give a function that says how often a file was opened within the block, by whatever library."""
    system = ctypes.CDLL(None, use_errno=True)
    watch = system.inotify_init1(os.O_NONBLOCK)
    # Equal events that follow each other count once, so what comes between two openings is asked for too.
    assert system.inotify_add_watch(watch, os.fsencode(path), OPENED | READ | CLOSED) > 0

    def count() -> int:
        events = b""
        while True:
            try:
                events += os.read(watch, 1 << 16)
            except BlockingIOError:
                return sum(mask & OPENED > 0 for _, mask, _, _ in struct.iter_unpack("iIII", events))

    try:
        yield count
    finally:
        os.close(watch)


def paths(folder: Path) -> pd.DataFrame:
    return pd.DataFrame({"image": sorted(str(path) for path in (folder / "images").iterdir())})


def embeddings(folder: Path) -> pd.DataFrame:
    return pd.DataFrame({"embedding": list(np.random.default_rng(0).normal(size=(12, 4)))})


def image_bytes(folder: Path) -> pd.DataFrame:
    return pd.DataFrame({"image": [path.read_bytes() for path in sorted((folder / "images").iterdir())], "label": "dry"})


@pytest.mark.skipif(sys.platform != "linux", reason="counts by inotify")
@pytest.mark.parametrize("kind", [paths, embeddings, image_bytes])
def test_each_table_is_opened_once(kind: Callable[[Path], pd.DataFrame], tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "roads", 12, seed=0, size=32)
    kind(folder).to_parquet(tmp_path / "A.parquet")
    other: object = np.random.default_rng(1).normal(size=(9, 4)) if kind is embeddings else folder
    backbone = "embeddings" if kind is embeddings else "colour_moments"
    options = {"store": tmp_path / "store", "progress": False, "permutations": 9, "bootstrap": 9}
    with openings(tmp_path / "A.parquet") as count:
        found = howfar.compare(tmp_path / "A.parquet", [other], backbone, **options)
        assert count() == 1
    assert found.primary.n == 12


@pytest.mark.skipif(sys.platform != "linux", reason="counts by inotify")
def test_every_opening_is_counted(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    with openings(file) as count:
        for _ in range(3):
            file.read_bytes()
        assert count() == 3
