"""A server that runs commands and kills them, and what the stages of the package need to be killed at."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pytest
from PIL import Image

from howfar.demo import write_dataset

SERVER = Path(__file__).with_name("kill_server.py")
SIDE = 32
QUICK = ["--bootstrap", "9", "--permutations", "9", "--no-baselines", "--store", "store"]
COLOUR = ["--backbone", "colour_moments"]
TINY = ["--model", "deepcrack", "--option", "width=1", "--size", "32", "--epochs", "1", "--device", "cpu", "--batch", "4"]
STUDY = """
[datasets]
roads = { path = "roads" }
near = { path = "near" }
far = { path = "far" }
[backbones.colours]
backbone = "colour_moments"
[studies.components]
kind = "components"
primary = "roads"
secondaries = ["near", "far"]
backbones = ["colours"]
components = [1, 2, 4]
"""


class Done(NamedTuple):
    """What a command did: its exit code (-9 where it was killed), its changes of the disk, its output, and its seconds."""

    code: int
    changes: int
    out: str
    err: str
    seconds: float


Ask: TypeAlias = Callable[..., Done]


@pytest.fixture(scope="session")
def ask() -> Iterator[Ask]:
    """Run a command in a folder, in a process of its own that dies before its change number `at`, or `after` some seconds.

    `limit` is how many bytes a file may have that it writes.
    """
    environment = {**os.environ, "MPLBACKEND": "agg", "HOWFAR_STORE": "store"}
    server = subprocess.Popen(
        [sys.executable, str(SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert server.stdin is not None
    assert server.stdout is not None

    def ask(folder: Path, arguments: list[str], at: int = 0, after: float | None = None, limit: int | None = None) -> Done:
        server.stdin.write(json.dumps([str(folder), arguments, at, after, limit]) + "\n")
        server.stdin.flush()
        answer: dict[str, Any] = json.loads(server.stdout.readline())
        return Done(*(answer[name] for name in Done._fields))

    yield ask
    server.stdin.close()
    server.wait()
    server.stdout.close()


@pytest.fixture(scope="session")
def made(ask: Ask, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three datasets with masks, maps of two, their features as arrays, a run of them, and the two evaluations."""
    folder = tmp_path_factory.mktemp("faults")
    rng = np.random.default_rng(0)
    for seed, (name, count) in enumerate({"roads": 12, "near": 8, "far": 8}.items()):
        place = write_dataset(folder / name, count, seed=seed, shift=0.3 * seed, size=SIDE)
        np.save(folder / f"{name}.npy", rng.normal(seed / 2, 1, size=(count + 8, 6)).astype(np.float32))
        (folder / "maps" / name).mkdir(parents=True)
        for k, file in enumerate(sorted((place / "masks").iterdir())):
            truth = np.asarray(Image.open(file)) > 127
            p = np.where(truth, (0.9 - 0.05 * k) * rng.random(truth.shape), 0.5 * rng.random(truth.shape) ** 6)
            Image.fromarray((255 * p).astype(np.uint8)).save(folder / "maps" / name / file.name)
    (folder / "mine.toml").write_text(STUDY, encoding="utf-8")
    assert ask(folder, ["compare", "roads", "near", "far", *COLOUR, *QUICK, "--out", "run"]).code == 0
    for name in ("roads", "near"):
        assert ask(folder, ["evaluate", name, "--predictions", f"maps/{name}", "-o", f"{name}.parquet"]).code == 0
    for command in (
        ["train", "roads", *TINY, "-o", "model.safetensors"],
        ["profile", "roads", *COLOUR, "--store", "store", "-o", "roads.howfar"],
        ["check", "--new", "--rules", "rules.yaml"],
    ):
        assert ask(folder, command).code == 0
    shutil.rmtree(folder / "store")
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Copies of all that, each under a name, in which one command may be killed."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(made, tmp_path / name))

    return copy


def numbers(text: str) -> Any:
    """Parse a JSON document without what differs between two runs of one command: when and how long, and its ids."""
    return _without(json.loads(text))


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _without(each)
            for name, each in value.items()
            if name not in ("provenance", "seconds", "run", "parents", "seal")
        }
    return [_without(each) for each in value] if isinstance(value, list) else value
