"""Which runs of pytest are spread over several processes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

CHOICES = {"usepdb": False, "trace": False, "capture": "fd", "numprocesses": None, "dist": "no", "tx": [], "markexpr": ""}


@pytest.fixture
def conftest(request) -> Any:
    return request.config.pluginmanager.getplugin(str(Path(__file__).with_name("conftest.py")))


def chosen(conftest: Any, *args: str, worker: bool = False, **choices: Any) -> tuple[Any, str]:
    option = SimpleNamespace(**(CHOICES | choices))
    source = pytest.Config.ArgsSource.ARGS
    config = SimpleNamespace(option=option, args=list(args), args_source=source, **({"workerinput": {}} if worker else {}))
    conftest.pytest_cmdline_main(config)
    return option.numprocesses, option.dist


@pytest.mark.parametrize(("cores", "processes"), [(1, 1), (2, 2), (64, 4)])
def test_folders_use_the_cores(conftest, monkeypatch, cores, processes):
    monkeypatch.setattr(conftest, "available_cores", lambda: cores)
    assert chosen(conftest, "tests", "src") == (processes, "loadfile")
    assert chosen(conftest, "tests/io", dist="worksteal") == (processes, "worksteal")


@pytest.mark.parametrize(
    "choice", [{"usepdb": True}, {"trace": True}, {"capture": "no"}, {"numprocesses": 0}, {"worker": True}]
)
def test_what_is_watched_or_a_worker_stays_in_its_process(conftest, choice):
    assert chosen(conftest, "tests", **choice) == (choice.get("numprocesses"), "no")


def test_files_and_tests_stay_in_this_process(conftest):
    assert chosen(conftest, "tests/a.py::test_b[1]", "tests/c.py") == (None, "no")


def test_what_was_asked_for_stays(conftest):
    assert chosen(conftest, "tests", numprocesses=8, dist="load") == (8, "load")
    assert chosen(conftest, "tests", tx=["popen"], dist="load") == (None, "load")


@pytest.mark.parametrize(
    ("source", "given", "chosen"), [("TESTPATHS", "", "not nightly"), ("TESTPATHS", "nightly", "nightly"), ("ARGS", "", "")]
)
def test_pytest_alone_and_its_workers_leave_the_nightly_tests_out(conftest, source, given, chosen, monkeypatch):
    monkeypatch.setenv(conftest.EVERY_CHANGE, "")
    for further in ({}, {"workerinput": {}}):
        option = SimpleNamespace(**(CHOICES | {"markexpr": given}))
        config = SimpleNamespace(option=option, args=["tests"], args_source=pytest.Config.ArgsSource[source], **further)
        conftest.pytest_cmdline_main(config)
        assert option.markexpr == chosen
