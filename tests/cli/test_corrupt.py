"""`howfar corrupt` as a user runs it: the table, the JSON document, the exit code."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from howfar.demo import write_dataset

SCRIPT = """
import sys
from pathlib import Path
from PIL import Image
images, out = map(Path, sys.argv[1:])
for file in images.iterdir():
    Image.open(file).convert("L").point(lambda value: 255 - value).save(out / file.name)
print("done")
"""


@pytest.fixture
def roads(tmp_path) -> Path:
    return write_dataset(tmp_path / "roads", 2, seed=0, size=48)


@pytest.fixture
def command(tmp_path) -> str:
    (tmp_path / "dark.py").write_text(SCRIPT)
    return f"{sys.executable} {tmp_path / 'dark.py'} {{images}} {{out}}"


def test_a_line_for_each_set(roads, command, tmp_path, howfar):
    code, out, err = howfar("corrupt", roads, "-o", tmp_path / "sets", "--only", "fade,mosaic=1", "--predict-command", command)
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0].startswith("roads: 2 labelled images in 5 corrupted sets; mean F at threshold 0.")
    assert [line.split("  ")[0] for line in lines[2:8]] == [
        "roads", "roads·fade 0.3", "roads·fade 0.5", "roads·fade 0.65", "roads·fade 0.8", "roads·mosaic 2×"
    ]  # fmt: skip
    assert lines[-1] == f"sets: {tmp_path / 'sets'}"


def test_sets_alone(roads, tmp_path, howfar):
    code, out, _ = howfar("corrupt", roads, "-o", tmp_path / "sets", "--only", "invert")
    assert code == 0
    assert out.splitlines()[0] == "roads: 2 labelled images in 1 corrupted sets; no predictions yet"
    assert len(list((tmp_path / "sets/invert-1/images").iterdir())) == 2
