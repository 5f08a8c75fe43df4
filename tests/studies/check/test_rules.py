from __future__ import annotations

import time
from pathlib import Path

import pytest

from howfar.errors import HowfarError, InputError, MissingPathError
from howfar.studies.check.rules import LARGEST, TEMPLATE, read_rules, write_start

BOMB = "a: &a [x, x, x]\n" + "".join(
    f"{name}: &{name} [*{last}, *{last}, *{last}]\n" for last, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def refused(tmp_path: Path, text: str, name: str = "rules.yaml") -> str:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    with pytest.raises(HowfarError) as error:
        read_rules(file)
    assert isinstance(error.value, InputError)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_yaml_and_toml_say_the_same(tmp_path: Path) -> None:
    yaml, toml = tmp_path / "rules.yml", tmp_path / "rules.toml"
    yaml.write_text("performance: {at_least: 0.6, bound: value}\ngate: inside\nalarm: {at_least: 0.5, since: 2026-01-31}\n")
    toml.write_text(
        'gate = "inside"\n[performance]\nat_least = 0.6\nbound = "value"\n[alarm]\nat_least = 0.5\nsince = 2026-01-31\n'
    )
    assert read_rules(yaml) == read_rules(toml)
    assert read_rules(yaml).failures is None
    assert read_rules(read_rules(yaml)) == read_rules(toml)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("performnce: {at_least: 0.6}", "key of rules must be a known one, got 'performnce': did you mean performance?"),
        ("performance: {at_last: 0.6}", "key of rule performance must be a known one, got 'at_last': did you mean at_least?"),
        ("gate: {must_by: inside}", "did you mean must_be?"),
        ("1: {at_least: 0.6}", "the keys are performance, failures, gate"),
        ("performance: {bound: low}", "performance.at_least must be given in the rules"),
        ("performance: {at_least: '0.6'}", "performance.at_least must"),
        ("performance: {at_least: 1.2}", "performance.at_least must"),
        ("performance: {at_least: .nan}", "performance.at_least must"),
        ("performance: {at_least: true}", "performance.at_least must"),
        ("performance: {at_least: 0.6, bound: high}", "performance.bound must"),
        ("performance: {at_least: 0.6, severity: fatal}", "performance.severity must"),
        ("performance: 0.6", "performance must"),
        ("performance:", "rule performance must have a value"),
        ("images: {at_least: 2.5}", "images.at_least must"),
        ("gate: outside", "gate must be inside, got"),
        ("distance: {at_most_share: 0.1, severity: breach}", "distance.severity must be warn, got 'breach': distance is"),
        ("alarm: {drop: 0.1}", "give at_least, or tolerated_drop"),
        ("alarm: {at_least: 0.5, tolerated_drop: 0.1}", "give at_least, or tolerated_drop"),
        ("alarm: {at_least: 0.5, since: soon}", "'soon' is no date"),
        ("", "must hold at least one rule by name, got 'nothing': howfar check --new writes a start"),
        ("# nothing but a remark\n", "got 'nothing'"),
        ("{}", "got 'nothing'"),
        ("- performance", "got 'list'"),
        ("inside", "got 'str'"),
        ("images: {at_least: 2}\nimages: {at_least: 3}", "images stands there twice, first in line 1"),
        ("images: {at_least: 2, at_least: 3}", "at_least stands there twice"),
        (BOMB, "aliases are not read: *a in line 2"),
        ("[" * 9000, "nested deeper than 8 levels, in line 1"),
        ("images: " + "{a: " * 3000 + "1" + "}" * 3000, "nested deeper than 8 levels"),
        ("performance: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("performance: {at_least: 0.6", "must be a YAML or TOML file that can be read"),
        ("? [a]\n: b", "unhashable"),
        ("a\0b: 1", "special characters are not allowed"),
        ("x" * (LARGEST + 1), "must be a file of at most 65,536 bytes"),
    ],
)  # fmt: skip
def test_what_is_no_rules_file_is_refused_in_one_line(tmp_path: Path, text: str, line: str) -> None:
    started = time.monotonic()
    assert line in refused(tmp_path, text)
    assert time.monotonic() - started < 3


def test_wrong_toml_is_refused(tmp_path: Path) -> None:
    assert "must be a YAML or TOML file that can be read" in refused(tmp_path, "performance = ", "rules.toml")


def test_bytes_that_are_no_text_and_no_file_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="must be readable text"):
        read_rules(file)
    with pytest.raises(InputError, match="must be readable text"):
        read_rules(tmp_path)
    with pytest.raises(MissingPathError, match="howfar check --new writes a start"):
        read_rules(tmp_path / "none.yaml")


def test_the_start_is_a_rules_file_and_so_is_it_with_its_comments_taken_away(tmp_path: Path) -> None:
    file = write_start(tmp_path / "rules.yaml")
    rules = read_rules(file)
    assert rules.performance is not None
    assert rules.alarm is None
    lines = [
        line.removeprefix("# ") if "alarm:" in line or line.startswith("#   ") else line
        for line in TEMPLATE.read_text().splitlines()
    ]
    file.write_text("\n".join(lines))
    alarm = read_rules(file).alarm
    assert (alarm.at_least, alarm.since) == (0.55, "2026-01-01")
    with pytest.raises(InputError, match="must not be there yet"):
        write_start(file)
    with pytest.raises(InputError, match="folder that is there"):
        write_start(tmp_path / "none" / "rules.yaml")
    with pytest.raises(InputError, match=r"must end in \.yaml"):
        write_start(tmp_path / "rules.toml")
