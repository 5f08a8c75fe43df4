"""Tests share synthetic datasets and the research images; several files run at a time, and slow tests are marked."""

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")
# Before NumPy and torch are loaded: beside other work, two threads that wait for each other are many times slower than one.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Processes that tests start import modules of tests/ too.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(Path(__file__).parent), os.environ.get("PYTHONPATH"))))

import numpy as np

from howfar.cpu_cores import available_cores
from howfar.demo import write_demo
from slow import NIGHTLY, is_among, listed, longest_first, unit_of

pytest_plugins = ("served", "recorded_faults", "chromium", "undrawn")

ROOT = Path(__file__).resolve().parents[1]
EVERY_CHANGE = "HOWFAR_TESTS_OF_EVERY_CHANGE"
WORKERS = 4
"""At most so many processes run tests: each loads torch, and some tests measure memory."""


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run folders of tests side by side (pytest-xdist), each in one process, where nothing else was asked for.

    ``pytest`` alone leaves out the tests marked ``nightly``.
    Files and tests that are named run in this process, and so does all with ``-n 0``, ``-s``, ``--pdb`` or ``-p no:xdist``.
    """
    # Collection makes objects that live on: searching them every 700 new ones takes a fifth of its time.
    gc.set_threshold(50_000)
    option = config.option
    # Nothing was named, so this is the suite of every change; a worker, which is given names, is told by the environment.
    if hasattr(config, "workerinput"):
        option.markexpr = option.markexpr or os.environ.get(EVERY_CHANGE, "")
    elif config.args_source is pytest.Config.ArgsSource.TESTPATHS and not option.markexpr:
        option.markexpr = os.environ[EVERY_CHANGE] = "not nightly"
    watched = option.usepdb or option.trace or option.capture == "no" or all(".py" in argument for argument in config.args)
    # A worker, where this hook is called too, must start no workers of its own.
    if watched or hasattr(config, "workerinput") or getattr(option, "numprocesses", 0) is not None or option.tx:
        return
    option.numprocesses = min(WORKERS, available_cores())
    if option.dist == "no":
        option.dist, option.loadscopereorder = "loadfile", False


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each process a folder of tests at a time, and of the nightly tests, which are few and long, a file."""
    if config.option.dist != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByUnit(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit_of(nodeid, config.option.markexpr != "nightly")

    return ByUnit(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests of slow.txt, so that ``-m "not slow"`` is the fast path, and those that ``pytest`` alone leaves out.

    Of several processes' tests the longest units come first.
    """
    if hasattr(config, "workerinput"):
        whole_folders = config.option.markexpr != "nightly"
        ranks = {unit: rank for rank, unit in enumerate(longest_first((item.nodeid for item in items), whole_folders))}
        items.sort(key=lambda item: ranks[unit_of(item.nodeid, whole_folders)])
    entries = listed()
    for item in items:
        if is_among(item.nodeid, NIGHTLY):
            item.add_marker(pytest.mark.nightly)
        if is_among(item.nodeid, entries):
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator of one seed, for tests that need some numbers."""
    return np.random.default_rng(7)


@pytest.fixture(autouse=True)
def _own_store(tmp_path, monkeypatch) -> None:
    """No test writes to the user's cache."""
    monkeypatch.setenv("HOWFAR_STORE", str(tmp_path / "default-store"))


@pytest.fixture(autouse=True)
def _threads_put_back() -> Iterator[None]:
    """A test that leaves torch other threads than it found changes the digits of whatever is trained after it."""
    before = _torch_threads()
    yield
    after = _torch_threads()
    if before is not None and after is not None and after != before:
        sys.modules["torch"].set_num_threads(before)
        pytest.fail(f"torch had {before} threads before this test and has {after} after it")


def _torch_threads() -> int | None:
    torch = sys.modules.get("torch")
    return None if torch is None else torch.get_num_threads()


@pytest.fixture(scope="session")
def demo_folders(tmp_path_factory) -> list[Path]:
    """Small versions of the demo's six datasets: P, four shifted ones, one that is not pavement."""
    return write_demo(tmp_path_factory.mktemp("demo"), seed=0, n_primary=24, n_secondary=12)


@pytest.fixture(scope="session")
def research_images() -> Path:
    """The folder of research images beside the project; tests over them skip where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no research images at {folder}")
    return folder
