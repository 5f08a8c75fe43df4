"""Commands of other packages: found where the word is not one of howfar's own, and no obstacle where they fail."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest
import typer

from howfar import registry
from howfar.cli import main


@pytest.fixture(autouse=True)
def installed(monkeypatch) -> list[str]:
    """A package with a command that greets, and one that cannot be loaded; which groups were looked up."""

    def greet(name: str) -> None:
        """Greet NAME."""
        typer.echo(f"good day, {name}")

    module = ModuleType("elsewhere")
    vars(module)["greet"] = greet
    points = [EntryPoint("greet", "elsewhere:greet", "howfar.commands"), EntryPoint("lost", "gone:lost", "howfar.commands")]
    asked: list[str] = []
    monkeypatch.setitem(sys.modules, "elsewhere", module)
    monkeypatch.setattr(registry, "entry_points", lambda group: asked.append(group) or points)
    monkeypatch.setattr(main.app, "registered_commands", list(main.app.registered_commands))
    return asked


def test_a_command_of_another_package_runs(capsys):
    assert main.run(["greet", "Ada"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "good day, Ada\n"
    assert captured.err == "howfar: the command lost cannot be loaded (ModuleNotFoundError: No module named 'gone')\n"


def test_help_lists_it_after_ours(capsys):
    assert main.run(["--help"]) == 0
    listed = capsys.readouterr().out
    assert 0 < listed.index("  report ") < listed.index("  greet ")
    assert main.run(["--help"]) == 0
    assert capsys.readouterr().out.count("Greet NAME") == 1


def test_ours_run_without_a_look_at_what_is_installed(installed, capsys):
    assert main.run(["matrix", "--help"]) == 0
    assert installed == []
    assert "Measure how far every DATASET" in capsys.readouterr().out
