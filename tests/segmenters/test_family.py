"""An architecture's options are checked in one line, and families go by their registered names."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from howfar import registry
from howfar.errors import InputError
from howfar.segmenters import build_segmenter, segmenter_family
from howfar.segmenters.segmenter_family import ArchitectureOptions, SegmenterFamily, TrainingDefaults


class Plain(ArchitectureOptions):
    depth: int = 2
    kind: str = "a"


def family(options: type[ArchitectureOptions] = Plain) -> SegmenterFamily:
    return SegmenterFamily("plain", options, lambda chosen, pretrained: (chosen, pretrained), TrainingDefaults(), "nothing")


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"dept": 3}, "option must be one of plain, got 'dept': did you mean depth?"),
        ({"zzz": 3}, "option must be one of plain, got 'zzz': its options are depth, kind"),
        ({"depth": "deep"}, "plain's depth must be a whole number"),
        ({"kind": 3}, "plain's kind must be text, got 3"),
    ],
)
def test_a_wrong_option_is_one_line(given: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError) as caught:
        family().checked(given)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_another_packages_segmenter(monkeypatch: pytest.MonkeyPatch) -> None:
    registered: dict[str, Any] = {"plain": family(), "odd": "no family"}
    monkeypatch.setattr(registry, "load", lambda kind, name: registered[name])
    chosen, pretrained = build_segmenter("plain", {"depth": 7}, pretrained=False)
    assert (chosen.depth, pretrained) == (7, False)
    assert build_segmenter("plain")[1] is True
    with pytest.raises(
        InputError, match=r"segmenter 'odd' must be registered as a howfar\.segmenters\.SegmenterFamily, got 'str'"
    ):
        segmenter_family("odd")


def test_reading_recipes_loads_no_network_library() -> None:
    heavy = ("torch", "transformers", "segmentation_models_pytorch", "torchvision")
    code = (
        "import sys; from howfar.segmenters import segmenter_family; "
        "[segmenter_family(name).options() for name in ('adsam', 'deepcrack', 'frozen', 'unetplusplus')]; "
        f"print(*[name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
