"""What was written on the command line becomes the values that the Python functions take."""

from __future__ import annotations

from pathlib import Path

import pytest

from howfar.cli import options
from howfar.cli.main import app
from howfar.keywords import AssessOptions
from howfar.runners import LocalRunner
from howfar.settings import command_words


def test_written_values_become_pythons() -> None:
    assert options._text(int | None) is int
    assert options._text(bool) is bool
    assert options._text(str | Path | None) is str
    assert options.numbers("shots", "0,1,3") == [0, 1, 3]
    assert options.pairs("option", ["encoder=b3"], "width=4") == [("encoder", "b3")]
    assert options.architecture(["encoder=b3", "width=16"]) == {"encoder": "b3", "width": 16}
    assert options.local_weights(["clip"], ["clip=folder"]) == Path("folder")
    assert options.local_weights(["clip", "sam"], ["sam=folder"]) == {"sam": "folder"}
    runner, device = options.placed("local", 2, None, "auto")
    assert isinstance(runner, LocalRunner)
    assert (repr(runner), device) == ("LocalRunner(workers=2)", "auto")


def test_options_are_written_as_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"limit": 30, "baselines": False, "tiled": True, "tau": 0.4, "group": "(.+)-[0-9]+", "store": "s"}
    read: dict[str, object] = {}
    monkeypatch.setattr("howfar.studies.assessment.assess.assess", lambda *_, **options: read.update(options) or stop())
    with pytest.raises(RuntimeError, match=r"^read$"):
        app(["assess", ".", "site", "--model", "m.onnx", *command_words(AssessOptions, given)], standalone_mode=False)
    assert given.items() <= read.items()


def test_several_texts_are_written_with_commas() -> None:
    given = {"task": "detection", "classes": ("road", "car"), "columns": {"image": "file", "x0": "left"}, "iou": 0.7}
    words = " ".join(command_words(AssessOptions, given))
    assert words == "--columns image=file,x0=left --classes road,car --iou 0.7 --task detection"


def stop() -> None:
    raise RuntimeError("read")
