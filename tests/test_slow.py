"""The list of slow tests, how it is made, and the fast path that leaves them out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import slow

ROOT = Path(__file__).resolve().parents[1]
LOG = """
  2.00s call     tests/a.py::test_long[1::2]
  0.30s call     tests/a.py::test_long[3]
  4.00s call     tests/a.py::test_short
  0.30s setup    tests/b.py::test_first
  0.30s call     tests/b.py::test_first
  0.10s call     tests/b.py::TestB::test_second
  0.40s call     tests/c.py::test_third
 3 passed in 9.99s
"""


@pytest.mark.parametrize("entry", sorted({*slow.listed(), *slow.KEPT, *slow.NIGHTLY}))
def test_what_is_listed_is_there(entry):
    file, *names = entry.split("::")
    if (ROOT / file).is_dir():
        return
    source = (ROOT / file).read_text(encoding="utf-8")
    assert all(f"class {name}" in source or f"def {name}" in source for name in names[:1]), "write slow.txt anew"


def test_a_test_that_takes_long_is_chosen_with_all_its_parameters(monkeypatch):
    monkeypatch.setattr(slow, "KEPT", {"tests/a.py::test_short"})
    monkeypatch.setattr(slow, "SLOW", 0.5)
    chosen = slow.choose(LOG)
    assert chosen["tests/a.py::test_long"] == pytest.approx(2.3)
    # What is left of b.py is not worth its set-up.
    assert chosen["tests/b.py"] == pytest.approx(0.7)
    assert set(chosen) == {"tests/a.py::test_long", "tests/b.py"}


def test_the_fast_path_leaves_slow_tests_out(monkeypatch):
    files = ("tests/faults/test_disks.py", "tests/e2e/test_command.py")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "not slow", *files]
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    tests = {line for line in lines if "::" in line}
    assert tests == {entry for entry in slow.KEPT if entry.startswith(files)}
