"""Collect what tests of faults saw, so that docs/reliability.md is made by them: `python benchmarks/faults.py`."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

RECORD = "HOWFAR_TESTS_RECORD_FAULTS"
"""The environment variable that names the file to which outcomes are added, a JSON document a line."""
Recorded: TypeAlias = Callable[..., None]
PASSED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Keep whether a test passed where its fixtures see it."""
    report = yield
    if call.when == "call":
        item.stash[PASSED] = report.passed
    return report


@pytest.fixture
def recorded(request) -> Iterator[Recorded]:
    """Note a fault, where it struck, how often it was tried and what was seen after it; kept only where the test passes.

    What was lost is counted by the test, which fails where it is anything.
    """
    noted: list[dict[str, object]] = []

    def note(fault: str, where: str, tried: int, seen: str, lost: int = 0) -> None:
        assert lost == 0
        noted.append({"fault": fault, "where": where, "tried": tried, "lost": lost, "seen": seen, "test": request.node.nodeid})

    yield note
    if RECORD in os.environ and request.node.stash.get(PASSED, False):
        with Path(os.environ[RECORD]).open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(entry, ensure_ascii=False) + "\n" for entry in noted)
