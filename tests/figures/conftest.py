"""Believable results of several sizes, made once for all figure tests."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from howfar.results import Comparison


@pytest.fixture(scope="session")
def believable() -> ModuleType:
    """The factory beside this file."""
    path = Path(__file__).with_name("believable.py")
    spec = importlib.util.spec_from_file_location("believable", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def result(believable: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Comparison]:
    """A result of so many secondaries, the same object each time it is asked for."""

    @cache
    def of(count: int) -> Comparison:
        made: Comparison = believable.make(tmp_path_factory.mktemp(f"result{count}"), count)
        return made

    return of


@pytest.fixture(scope="session")
def six(result: Callable[[int], Comparison]) -> Comparison:
    return result(6)
