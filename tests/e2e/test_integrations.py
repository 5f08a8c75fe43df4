"""The GitHub action and the GitLab job, by running their commands in bash, and what the Dockerfile copies."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from howfar.cli.main import run
from howfar.demo import write_dataset

ROOT = Path(__file__).resolve().parents[2]
ACTION = yaml.safe_load((ROOT / "integrations" / "github" / "action.yml").read_text())
JOB = yaml.safe_load((ROOT / "integrations" / "gitlab" / "howfar-check.yml").read_text())[".howfar-check"]
RULES = {
    "pass": "images:\n  at_least: 3\n",
    "breach": "images:\n  at_least: 100\n",
    "undecided": "performance:\n  at_least: 0.5\n",
}
BIN = str(Path(sys.executable).parent)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A profile, new images in a folder with a space in its name, and rules."""
    folder = tmp_path_factory.mktemp("place")
    write_dataset(folder / "roads", 6, seed=0, size=32)
    write_dataset(folder / "new images", 4, seed=1, size=32)
    for name, text in RULES.items():
        (folder / f"{name}.yaml").write_text(text)
    profile = ["profile", str(folder / "roads"), "--backbone", "colour_moments", "-o", str(folder / "roads.howfar")]
    assert run([*profile, "--store", str(folder / "store")]) == 0
    return folder


def bash(script: str, folder: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "HOWFAR_STORE": str(folder / "store"), **variables}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def action(folder: Path, tmp_path: Path, **inputs: str) -> tuple[subprocess.CompletedProcess[str], dict[str, str], str]:
    """Run the action's check as GitHub would, with its defaults."""
    step: dict[str, Any] = next(step for step in ACTION["runs"]["steps"] if step.get("id") == "check")
    given = {name: str(entry.get("default", "")) for name, entry in ACTION["inputs"].items()} | inputs
    variables = {name: given[text.split("inputs.")[1].split(" ")[0]] for name, text in step["env"].items()}
    files = {name: str(tmp_path / name) for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
    ended = bash(step["run"], folder, {**variables, **files, "RUNNER_TEMP": str(tmp_path)})
    written = {name: Path(file).read_text() if Path(file).is_file() else "" for name, file in files.items()}
    outputs = dict(line.split("=", 1) for line in written["GITHUB_OUTPUT"].splitlines())
    return ended, outputs, written["GITHUB_STEP_SUMMARY"]


@pytest.mark.parametrize(
    ("outcome", "undecided", "code"),
    [("pass", "warn", 0), ("breach", "warn", 3), ("undecided", "warn", 0), ("undecided", "fail", 4)],
)
def test_the_github_action(outcome: str, undecided: str, code: int, place: Path, tmp_path: Path) -> None:
    inputs = {"profile": "roads.howfar", "new": "new images", "rules": f"{outcome}.yaml", "undecided": undecided}
    ended, outputs, summary = action(place, tmp_path, **inputs, junit=str(tmp_path / "check.xml"))
    assert ended.returncode == code, ended.stderr
    assert outputs["outcome"] == outcome
    assert json.loads(Path(outputs["json"]).read_text())["outcome"] == outcome
    assert "new images" in summary
    assert "<testsuite" in (tmp_path / "check.xml").read_text()


@pytest.mark.parametrize(
    ("inputs", "line"),
    [
        ({"profile": "none.howfar", "new": "$(touch ran)"}, "nothing at none.howfar"),
        ({"new": "--help"}, "nothing at "),
        ({"undecided": "ignore"}, "::error::undecided must be warn or fail, got ignore"),
    ],
)
def test_the_github_action_ends_with_bad_input(inputs: dict[str, str], line: str, place: Path, tmp_path: Path) -> None:
    ended, outputs, _ = action(
        place, tmp_path, **{"profile": "roads.howfar", "new": "new images", "rules": "pass.yaml"} | inputs
    )
    assert (ended.returncode, outputs) == (2, {})
    assert line in ended.stdout + ended.stderr
    assert "::error::" in ended.stdout
    assert not (place / "ran").exists()


@pytest.mark.parametrize(("outcome", "code"), [("pass", 0), ("breach", 3), ("undecided", 4)])
def test_the_gitlab_job(outcome: str, code: int, place: Path) -> None:
    given = {
        "HOWFAR_PROFILE": "roads.howfar",
        "HOWFAR_NEW": "new images",
        "HOWFAR_RULES": f"{outcome}.yaml",
        "HOWFAR_INSTALL": "",
    }
    variables = JOB["variables"] | given
    for line in JOB["before_script"]:
        assert bash(line, place, variables).returncode == 0
    ended = bash("\n".join(JOB["script"]), place, variables)
    assert ended.returncode == code, ended.stderr
    assert JOB["allow_failure"]["exit_codes"] == 4
    for file in (*JOB["artifacts"]["paths"], JOB["artifacts"]["reports"]["junit"]):
        (place / file).unlink()


def test_every_input_is_read() -> None:
    text = json.dumps(ACTION["runs"])
    assert [name for name in ACTION["inputs"] if f"inputs.{name}" not in text] == []


def test_the_dockerfile_copies_what_is_there() -> None:
    lines = [line.split()[1:-1] for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("COPY ")]
    copied = [name for names in lines if not names[0].startswith("--from") for name in names]
    assert "src" in copied
    assert [name for name in copied if not (ROOT / name).exists()] == []
