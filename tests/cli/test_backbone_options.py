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
