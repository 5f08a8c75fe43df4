"""Recipes: an architecture's options checked in one line, and what another package may register."""

from __future__ import annotations

from typing import Any

import pytest

from howfar import registry
from howfar.errors import InputError, UnknownNameError
from howfar.segmenters import build_segmenter, segmenter_family
from howfar.segmenters.family import ArchitectureOptions, SegmenterFamily, TrainingDefaults


class Plain(ArchitectureOptions):
    depth: int = 2
    kind: str = "a"


def family(options: type[ArchitectureOptions] = Plain) -> SegmenterFamily:
    return SegmenterFamily("plain", options, lambda chosen, pretrained: (chosen, pretrained), TrainingDefaults(), "nothing")


def test_options_are_checked_and_filled_up() -> None:
    assert dict(family().checked({})) == {"depth": 2, "kind": "a"}
    assert dict(family().checked({"depth": 5})) == {"depth": 5, "kind": "a"}


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


def test_an_architecture_without_options() -> None:
    with pytest.raises(InputError, match="its options are none"):
        family(ArchitectureOptions).checked({"depth": 3})


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


def test_an_unknown_segmenter_names_the_known() -> None:
    with pytest.raises(UnknownNameError, match="unetplusplus"):
        build_segmenter("unet++")
