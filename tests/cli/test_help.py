"""What `howfar --help` and the help of commands show: commands under heads, and the words that an option may be."""

from __future__ import annotations

import shlex
from typing import Any, get_args

import pytest
import typer

from howfar import keywords, registry
from howfar.cli import command_help, main, options
from howfar.cli.command_help import EXAMPLES, ORDER, SEE_ALSO, TOPICS
from howfar.options import HIDDEN
from howfar.segmenters import segmenter_family
from howfar.settings import declared

WORDS = ["assess", "compare", "matrix", "relate", "certify", "train", "adapt", "predict", "evaluate", "profile"]


def shown(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main.run([name, "--help"]) == 0
    return " ".join(capsys.readouterr().out.split())


def test_every_command_stands_under_one_head(capsys: pytest.CaptureFixture[str]) -> None:
    under = [name for names in command_help.HEADS.values() for name in names]
    assert len(under) == len(set(under))
    assert set(registry.OURS["commands"]) <= set(under)
    assert main.run(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    heads = [line.removesuffix(":") for line in lines if line.endswith(":") and not line.startswith((" ", "Options"))]
    assert heads == list(command_help.HEADS)
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


@pytest.mark.parametrize("name", sorted(registry.OURS["commands"]))
def test_every_help_ends_with_an_example_that_parses_and_what_to_see_also(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(name, capsys)
    for line in EXAMPLES[name]:
        program, command, *arguments = shlex.split(line)
        assert (program, command) == ("howfar", name)
        typer.main.get_command(main.app).commands[name].make_context(name, arguments)  # type: ignore[attr-defined]  # a group has commands
        assert f"Example: {line}" in text
    assert set(SEE_ALSO[name]) <= set(registry.OURS["commands"]) - {name}
    assert text.endswith(f"See also: {', '.join(f'howfar {other}' for other in SEE_ALSO[name])}")


def test_a_long_help_has_its_options_under_heads(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["compare", "--help"]) == 0
    heads = [line[:-1] for line in capsys.readouterr().out.splitlines() if line.endswith(":") and line[0] != " "]
    topics = ["Options", "Distance", "How sure it is", "Network", "Where it runs", "Output and defaults"]
    assert heads == ["Arguments", *topics, "Example", "See also"]
    assert [head for head in ORDER if head in topics] == topics
    assert main.run(["report", "--help"]) == 0
    assert "Output and defaults" not in capsys.readouterr().out


def test_every_declared_option_has_one_topic() -> None:
    under = [name for names in TOPICS.values() for name in names]
    assert len(under) == len(set(under))
    every = {
        name for each in vars(keywords).values() if isinstance(each, type) for name in vars(each).get("__annotations__", ())
    }
    # What the command line takes as NAME=VALUE, or not at all, stands under none.
    folded = {"engine", "mean", "std", "output", "prompt", "progress", "background", "start", "steps", "way"}
    assert every - set(under) <= folded


@pytest.mark.parametrize("name", ["size", "epochs", "batch", "loss", "schedule", "rate", "decay"])
def test_the_defaults_of_a_training_are_those_of_the_segmenters(name: str) -> None:
    said = declared(keywords.TrainOptions)[name].option.help.rpartition("; by default ")[2].rstrip(".")
    first, *others = said.split(", ")
    wanted = {family: getattr(segmenter_family(family).training, name) for family in registry.OURS["segmenters"]}
    exceptions = dict(each.split(" ", 1) for each in others)
    for family, value in wanted.items():
        told = exceptions.get(family, first).replace("its own", family)
        assert told == (f"{value:g}" if isinstance(value, float) else str(value)), family
