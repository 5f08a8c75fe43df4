"""Fixtures of the tests of commands: a world that no test may change, and a command line to run."""

from pathlib import Path

import pytest

from command_world import Command, write_world
from howfar.cli.main import run
from undrawn import no_figures


@pytest.fixture
def howfar(capsys) -> Command:
    """Run a command line, and return its exit code and what it printed on stdout and stderr."""

    def command(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run([str(word) for word in words])
        return code, *capsys.readouterr()

    return command


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> Path:
    with no_figures():
        return write_world(tmp_path_factory.mktemp("world"))
