"""What commands hand on to a backbone: options by name and value, numbers as numbers."""

from __future__ import annotations

from typing import Any

import pytest

from howfar.cli.main import run


@pytest.mark.parametrize(
    ("command", "target"),
    [
        (["compare", "p", "s"], "howfar.studies.distance.compare"),
        (["profile", "p", "-o", "x.howfar"], "howfar.studies.profile.profile"),
        (["embed", "{folder}"], "howfar.backbones.backbone_argument.known_backbone"),
    ],
)
def test_options_reach_the_backbone(command: list[str], target: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def stop(*_: Any, **given: Any) -> Any:
        seen.update(given)
        raise KeyboardInterrupt

    (tmp_path / "a.png").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(target, stop)
    spelt = [one.format(folder=tmp_path) for one in command]
    beside = ["size=96,128", "mean=0.5,0.25,1", "prompt=1 = one", "output=last"]
    assert run([*spelt, "--backbone", "x", *(part for one in beside for part in ("--backbone-option", one))]) == 130
    wanted = {"size": (96, 128), "mean": (0.5, 0.25, 1.0), "prompt": "1 = one", "output": "last"}
    assert {name: seen.get(name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("size", ["--backbone-option must be NAME=VALUE, got 'size'", "write --backbone-option size=448"]),
        ("side=3", ["--backbone-option must be one of size, mean, std, output, prompt, engine, precision, got 'side'"]),
        ("size=big", ["--backbone-option size must be numbers with commas between them, got 'big'", "write 448 or 448,224"]),
        ("std=1;2;3", ["--backbone-option std must be numbers", "write 0.5,0.5,0.5"]),
        ("prompt=cracks", ["pixels takes no prompt, got 'cracks'"]),
    ],
)
def test_bad_input_is_one_line(option: str, words: list[str], tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    assert run(["embed", str(tmp_path), "--backbone", "pixels", "--backbone-option", option]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    for word in words:
        assert word in lines[0]
