"""Error lines of the command line call things as it does: by flags and metavars, for every command."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from howfar import registry
from howfar.cli.main import app, run
from howfar.cli.outcomes import flags_of
from howfar.errors import InputError

COMMANDS = get_command(app).commands
EVALUATE = ["evaluate", "roads", "--predictions", "roads"]


@pytest.mark.parametrize("name", sorted(registry.OURS["commands"]))
def test_every_parameter_of_every_command_is_called_by_its_flag(name: str) -> None:
    flags = flags_of(COMMANDS[name])
    for parameter in COMMANDS[name].params:
        called = InputError.of(parameter.name, "must be another", 7, "change it").line(flags).partition(" must be another")[0]
        if parameter.param_type_name == "option":
            assert called in parameter.opts
            assert called.startswith("-")
        else:
            assert called[0].isupper()


def test_what_a_command_writes_is_named_alike_everywhere() -> None:
    for name, command in COMMANDS.items():
        written = [parameter.opts for parameter in command.params if "--out" in parameter.opts]
        assert written in ([], [["--out", "-o"]]), name


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["store", "prune", "STORE", "--older-than", "-1"], "--older-than must be a number of days from 0 on, got -1.0"),
        (["store", "check", "STORE", "--older-than", "1"], "--older-than is of no use to check: howfar store prune takes it"),
        (["store", "prune", "STORE", "--max-size", "much"], "--max-size must be a size, got 'much'"),
        (["certify", "roads", "--predictions", "roads", "-k", "0"], "-k must be"),
        (["compare", "roads", "roads", "--permutations", "-1"], "--permutations must"),
        (["compare", "roads", "roads", "--memory", "lots"], "--memory must be a size, got 'lots'"),
        (["evaluate", "roads"], "--predictions must be given, or a model"),
        (
            ["evaluate", "roads", "--predictions", "roads", "--threshold", "0.5", "--tuned-on", "x"],
            "--threshold and --tuned-on",
        ),
        ([*EVALUATE, "-o", "x.csv"], "--out must end in .parquet or .pq"),
        (["adapt", "roads", "roads", "-o", "x", "--shots", "a"], "--shots must be whole numbers"),
        (["relate", "roads", "--performance", "x.parquet", "--error-rate", "2"], "--error-rate must"),
        (["compare", "roads", "roads", "--allow-urls", "*"], "--allow-urls must be hosts or buckets"),
        (["train", "roads", "-o", "x.txt"], "--out must end in .safetensors"),
    ],
)
def test_lines_name_flags(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from howfar.demo import write_dataset
    from howfar.store import Store

    monkeypatch.chdir(tmp_path)
    write_dataset(tmp_path / "roads", 2, seed=0, size=32)
    Store(tmp_path / "STORE").open({"name": "pixels"}, 3)
    assert run(arguments) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"howfar: {told}")
    assert not re.search(r"\b[a-z]+_[a-z_]+ (must|is|are|cannot)\b", line)


def test_python_names_parameters(tmp_path: Path) -> None:
    from howfar.store import prune

    with pytest.raises(InputError, match=r"^older_than must be a number of days"):
        prune(tmp_path, older_than=-1)


def test_the_keys_of_a_study_file_are_no_flags(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "study.toml"
    file.write_text("out = 3\n[datasets]\nroads = { path = 'roads' }\n")
    assert run(["study", str(file)]) == 2
    assert "--out" not in capsys.readouterr().err
