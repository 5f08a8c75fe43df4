"""What was written on the command line becomes the values that the Python functions take."""

from __future__ import annotations

from typing import Any

import pytest

from howfar.cli.main import app, run
from howfar.keywords import AssessOptions
from howfar.settings import command_words


def test_options_are_written_as_they_are_read(monkeypatch):
    given = {"limit": 30, "baselines": False, "tiled": True, "tau": 0.4, "group": "(.+)-[0-9]+", "store": "s"}
    read: dict[str, object] = {}
    monkeypatch.setattr("howfar.studies.assessment.assess.assess", lambda *_, **options: read.update(options) or stop())
    with pytest.raises(RuntimeError, match=r"^read$"):
        app(["assess", ".", "site", "--model", "m.onnx", *command_words(AssessOptions, given)], standalone_mode=False)
    assert given.items() <= read.items()


def test_several_texts_are_written_with_commas():
    given = {"task": "detection", "classes": ("road", "car"), "columns": {"image": "file", "x0": "left"}, "iou": 0.7}
    words = " ".join(command_words(AssessOptions, given))
    assert words == "--columns image=file,x0=left --classes road,car --iou 0.7 --task detection"


def stop() -> None:
    raise RuntimeError("read")


@pytest.mark.parametrize(
    ("command", "target"),
    [
        (["compare", "p", "s"], "howfar.studies.distance.compare"),
        (["profile", "p", "-o", "x.howfar"], "howfar.studies.profile.profile"),
        (["embed", "{folder}"], "howfar.backbones.backbone_argument.known_backbone"),
    ],
)
def test_options_reach_the_backbone(command, target, tmp_path, monkeypatch):
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
