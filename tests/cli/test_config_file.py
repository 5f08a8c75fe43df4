"""A project's howfar.toml: where it is found, what it may hold, and that the command line wins."""

import json
from pathlib import Path

import numpy as np
import pytest

from howfar.cli.config_file import Config, shared_keys
from howfar.cli.main import parser, run
from howfar.option_checks_and_signatures import declared
from howfar.options import FOLDED, HIDDEN
from howfar.options_by_function import CompareOptions

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """Make a repository with two sets of embeddings in a folder of it, and go there."""
    rng, folder = np.random.default_rng(0), tmp_path / "project" / "work"
    folder.mkdir(parents=True)
    (tmp_path / "project" / ".git").mkdir()
    np.save(folder / "roads.npy", rng.normal(size=(30, 4)))
    np.save(folder / "site.npy", rng.normal(1, 1, size=(24, 4)))
    monkeypatch.chdir(folder)
    return folder.parent


def compared(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    assert run(["compare", "roads.npy", "site.npy", *words, "--json"]) == 0, capsys.readouterr().err
    settings: dict[str, object] = json.loads(capsys.readouterr().out)["settings"]
    return settings


def test_it_is_found_above_up_to_the_root_of_the_repository(project, capsys):
    (project.parent / "howfar.toml").write_text("seed = 9\n")
    assert compared(capsys)["seed"] == 0
    (project / "howfar.toml").write_text("seed = 3\n[compare]\nlimit = 20\nbootstrap = 10\npermutations = 9\n")
    found = compared(capsys)
    assert (found["seed"], found["limit"], found["bootstrap"], found["permutations"]) == (3, 20, 10, 9)
    # The command line wins, a named file stands in place of the one that is found, and none reads none.
    assert compared(capsys, "--seed", "4", "--limit", "10") | {"seed": 4, "limit": 10} == found | {"seed": 4, "limit": 10}
    (project / "other.toml").write_text("components = 2\n")
    other = compared(capsys, "--config", str(project / "other.toml"))
    assert (other["components"], other["seed"]) == (2, 0)
    assert compared(capsys, "--config", "none")["seed"] == 0
    (project / ".git").rmdir()
    assert compared(capsys)["seed"] == 0


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("sed = 3", "{file} must hold options or commands, got 'sed': did you mean seed?"),
        ("[compare]\nlimti = 3", "{file} [compare] must hold options of the command, got 'limti': did you mean limit?"),
        ("[compar]\nlimit = 3", "{file} must hold options or commands, got 'compar': did you mean compare?"),
        ('out = "x"', "{file} must hold it in a command's own table, got 'out': write it below [compare]"),
        ("seed = -1", "--seed must be at least 0, got -1: the default is 0 (--seed is of {file})"),
        ('limit = "x"', "--limit must be a whole number, got 'x' (--limit is of {file})"),
        ('[compare]\nout = ""', "out in {file} must not be empty, got '': leave it out"),
        ("baselines = 3", "baselines in {file} must be true or false, got 3"),
        ("seed = true", "seed in {file} must be text or a number, got True"),
        ("seed = ", "{file} must be a file of defaults in TOML (Invalid value"),
    ],
)
def test_what_it_may_not_hold_is_one_line(text, line, project, capsys):
    file = project / "howfar.toml"
    file.write_text(text)
    assert run(["compare", "roads.npy", "site.npy"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert printed.err.startswith(f"howfar: {line.format(file=file)}")


def test_paths_are_taken_from_the_folder_of_the_file(project):
    (project / "howfar.toml").write_text(
        'store = "features"\nclasses = "names.txt"\n[train]\nout = "m.safetensors"\noption = {encoder = "b3"}\n'
        '[adapt]\nshots = [1, 3]\n[embed]\nstore = "s3://bucket/features"\nweights = ["dinov2=w"]\n'
    )
    commands = parser().commands
    config = Config.read(None)
    assert config.defaults(commands["compare"]) == config.defaults(commands["score"]) == {"store": f"{project}/features"}
    assert config.defaults(commands["train"]) == {"out": f"{project}/m.safetensors", "options": ["encoder=b3"]}
    assert config.defaults(commands["adapt"]) == {"shots": "1,3"}
    embed = config.defaults(commands["embed"])
    assert embed == {"store": "s3://bucket/features", "weights": [f"dinov2={project}/w"]}
    # "=" in the name of a folder divides no NAME from a path.
    for text, place in (("data/date=2024/s", f"{project}/data/date=2024/s"), ("s3://b/team=x/store", "s3://b/team=x/store")):
        (project / "howfar.toml").write_text(f'store = "{text}"\n')
        assert Config.read(None).defaults(commands["compare"]) == {"store": place}
    # A study file has its own store.
    assert config.defaults(commands["study"]) == {}


def test_its_keys_are_those_of_the_one_table_of_options():
    shared = shared_keys()
    for name, entry in declared(CompareOptions).items():
        if entry.option.flags not in (HIDDEN, FOLDED) and name not in ("out", "weights"):
            assert name in shared
