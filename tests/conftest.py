"""What many tests need: synthetic datasets made once, and the research images where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")
# Before torch is loaded: on a machine with other work, two threads that wait for each other are many times slower than one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from howfar.demo import write_demo

pytest_plugins = ("served",)

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes to the user's cache."""
    monkeypatch.setenv("HOWFAR_STORE", str(tmp_path / "default-store"))


@pytest.fixture(scope="session")
def demo_folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Small versions of the demo's six datasets: P, four shifted ones, one that is not pavement."""
    return write_demo(tmp_path_factory.mktemp("demo"), seed=0, n_primary=24, n_secondary=12)


@pytest.fixture(scope="session")
def research_images() -> Path:
    """The folder of research images beside the project; tests over them skip where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no research images at {folder}")
    return folder
