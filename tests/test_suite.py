"""Which tests are slow, which runs of pytest are spread over several processes, and which leave the nightly tests out."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import slow

ROOT = Path(__file__).resolve().parents[1]
LOG = """
  2.00s call     tests/a.py::test_long[1::2]
  0.30s call     tests/a.py::test_long[3]
  4.00s call     tests/a.py::test_short
  0.30s setup    tests/b.py::test_first
  0.30s call     tests/b.py::test_first
  0.40s call     tests/c.py::test_third
 3 passed in 9.99s
"""
CHOICES = {"usepdb": False, "trace": False, "capture": "fd", "numprocesses": None, "dist": "no", "tx": [], "markexpr": ""}


@pytest.mark.parametrize("entry", sorted({*slow.listed(), *slow.KEPT, *slow.NIGHTLY}))
def test_what_is_listed_is_there(entry):
    file, *names = entry.split("::")
    if not (ROOT / file).is_dir():
        source = (ROOT / file).read_text(encoding="utf-8")
        assert all(f"class {name}" in source or f"def {name}" in source for name in names[:1]), "write slow.txt anew"


def test_a_test_that_takes_long_is_chosen_with_all_its_parameters(monkeypatch):
    monkeypatch.setattr(slow, "KEPT", {"tests/a.py::test_short"})
    monkeypatch.setattr(slow, "SLOW", 0.5)
    assert slow.choose(LOG) == pytest.approx({"tests/a.py::test_long": 2.3, "tests/b.py::test_first": 0.6})


@pytest.fixture
def conftest(request) -> Any:
    return request.config.pluginmanager.getplugin(str(Path(__file__).with_name("conftest.py")))


def chosen(conftest: Any, *args: str, source: str = "ARGS", worker: bool = False, **choices: Any) -> Any:
    """Return the options that pytest has after the hook."""
    option = SimpleNamespace(**(CHOICES | choices))
    worker_input = {"workerinput": {}} if worker else {}
    config = SimpleNamespace(option=option, args=list(args), args_source=pytest.Config.ArgsSource[source], **worker_input)
    conftest.pytest_cmdline_main(config)
    return option


@pytest.mark.parametrize(
    ("args", "choice", "dist"),
    [
        (["tests"], {"usepdb": True}, "no"),
        (["tests"], {"trace": True}, "no"),
        (["tests"], {"capture": "no"}, "no"),
        (["tests"], {"numprocesses": 0}, "no"),
        (["tests"], {"worker": True}, "no"),
        (["tests/a.py::test_b[1]", "tests/c.py"], {}, "no"),
        (["tests"], {"numprocesses": 8, "dist": "load"}, "load"),
        (["tests"], {"tx": ["popen"], "dist": "load"}, "load"),
    ],
)
def test_what_is_watched_named_or_chosen_stays_as_it_is(conftest, args, choice, dist):
    option = chosen(conftest, *args, **choice)
    assert (option.numprocesses, option.dist) == (choice.get("numprocesses"), dist)


@pytest.mark.parametrize(
    ("source", "given", "marks"), [("TESTPATHS", "", "not nightly"), ("TESTPATHS", "nightly", "nightly"), ("ARGS", "", "")]
)
def test_pytest_alone_and_its_workers_leave_the_nightly_tests_out(conftest, source, given, marks, monkeypatch):
    monkeypatch.setenv(conftest.EVERY_CHANGE, "")
    for worker in (False, True):
        assert chosen(conftest, "tests", source=source, worker=worker, markexpr=given).markexpr == marks
