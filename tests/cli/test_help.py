"""What `howfar --help` and the help of commands show: commands under heads, and the words that an option may be."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import typer

from howfar import keywords, registry
from howfar.cli import command_groups, main, options
from howfar.options import HIDDEN
from howfar.settings import declared

WORDS = ["assess", "compare", "matrix", "relate", "certify", "train", "adapt", "predict", "evaluate", "profile"]


def shown(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main.run([name, "--help"]) == 0
    return " ".join(capsys.readouterr().out.split())


def test_every_command_stands_under_one_head(capsys: pytest.CaptureFixture[str]) -> None:
    under = [name for names in command_groups.HEADS.values() for name in names]
    assert len(under) == len(set(under))
    assert set(registry.OURS["commands"]) <= set(under)
    assert main.run(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    heads = [line.removesuffix(":") for line in lines if line.endswith(":") and not line.startswith((" ", "Options"))]
    assert heads == list(command_groups.HEADS)
    assert (
        lines.index("Distance:")
        < next(k for k, line in enumerate(lines) if line.startswith("  compare "))
        < lines.index("Performance:")
    )


def test_no_sentence_is_cut_off(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--help"]) == 0
    assert "..." not in capsys.readouterr().out.partition("Begin here")[2].replace("NEW...`", "")


@pytest.mark.parametrize("name", WORDS)
def test_what_takes_a_choice_lists_it(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(name, capsys)
    command = typer.main.get_command(main.app).commands[name]  # type: ignore[attr-defined]  # a group has commands
    flags = {parameter.name: parameter.opts[0] for parameter in command.params if parameter.param_type_name == "option"}
    for option, entry in declared(taken(name)).items():
        words = options.choices_of(entry.kind, entry.option)
        if option in flags and words and entry.option.flags != HIDDEN and option != "start":
            after = text.partition(f" {flags[option]} ")[2]
            assert after.startswith(f"<{'|'.join(words)}> ") or f"One of {', '.join(words)}." in after, option


def taken(name: str) -> Any:
    return getattr(keywords, f"{name.title()}Options")


def test_a_type_that_lists_words_is_no_choice_in_vain() -> None:
    assert get_args(declared(keywords.CompareOptions)["leaks"].kind) == ("warn", "drop", "refuse")
    projection = declared(keywords.MatrixOptions)["projection"]
    assert options.choices_of(*projection) == ("pair", "joint", "none")
