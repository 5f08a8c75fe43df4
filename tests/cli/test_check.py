"""`howfar check` as a command: exit codes, what goes where, and files that appear whole."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from howfar.cli.main import run

PASS, BREACH, UNDECIDED = "images: {at_least: 2}", "images: {at_least: 999}", "failures: {at_most_share: 0.1}"


@pytest.fixture(scope="module")
def file(demo_folders: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("profile") / "roads.howfar"
    store = out.parent / "store"
    assert run(["profile", str(demo_folders[0]), "--backbone", "colour_moments", "-o", str(out), "--store", str(store)]) == 0
    return out


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    return tmp_path / "rules.yaml"


@pytest.mark.parametrize(("text", "code"), [(PASS, 0), (BREACH, 3), (UNDECIDED, 4), (f"{BREACH}\n{UNDECIDED}", 3)])
def test_the_exit_code_is_the_outcome(
    file: Path, demo_folders: list[Path], rules: Path, text: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    rules.write_text(text)
    assert run(["check", str(file), str(demo_folders[1]), "--rules", str(rules), "--json"]) == code
    document = json.loads(capsys.readouterr().out)
    assert document["exit_code"] == code
    assert document["outcome"] == {0: "pass", 3: "breach", 4: "undecided"}[code]
    assert {decision["dataset"] for decision in document["decisions"]} == {demo_folders[1].name}
    assert run(["check", str(file), str(demo_folders[1]), "--rules", str(rules)]) == code
    assert document["outcome"].upper() in capsys.readouterr().out


def test_new_writes_rules_that_are_read(file: Path, demo_folders: list[Path], rules: Path) -> None:
    assert run(["check", "--new", "--rules", str(rules)]) == 0
    assert run(["check", "--new", "--rules", str(rules)]) == 2
    assert run(["check", str(file), str(demo_folders[1]), "--rules", str(rules)]) in (3, 4)


def test_the_files_for_other_tools_and_the_log(
    file: Path, demo_folders: list[Path], rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules.write_text(f"{PASS}\nalarm: {{at_least: 0.5, severity: warn}}")
    outs = {name: tmp_path / "deeper" / name for name in ("junit", "markdown", "prometheus")}
    named = f'a "b" <c>={demo_folders[1]}'
    arguments = [part for name, out in outs.items() for part in (f"--{name}", str(out))]
    assert run(["check", str(file), named, "--rules", str(rules), "--keep", *arguments]) == 0
    (suite, over_time) = ElementTree.fromstring(outs["junit"].read_bytes())
    assert (suite.get("name"), over_time.get("name")) == ('a "b" <c>', "over time")
    assert "PASS" in outs["markdown"].read_text()
    assert 'dataset="a \\"b\\" <c>"' in outs["prometheus"].read_text()
    assert sorted(path.name for path in (tmp_path / "deeper").iterdir()) == ["junit", "markdown", "prometheus"]
    assert len((file.parent / "roads.howfar.log.jsonl").read_text().splitlines()) == 1
    capsys.readouterr()
    assert run(["check", str(file), "--since", "2020-01-01"]) == 0
    assert 'a "b" <c>' in capsys.readouterr().out
