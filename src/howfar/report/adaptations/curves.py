"""Put figs 4-6 and 14-16 of the paper into a section: a figure of F by distance for each segmenter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from howfar.figures.registration import Caption, registration
from howfar.report.parts import FigurePart, Part
from howfar.results.adaptations import Adaptations


def curves(studied: Adaptations, draw: Callable[..., Any], labels: Mapping[str, str], before: str = "") -> list[Part]:
    """Make a figure for each segmenter, under the name that the study file gives it; the first caption explains all.

    `draw` is a registered figure of one segmenter's study, `labels` are the paper's numbers by architecture, and `before` is
    what the first caption begins with.
    """
    parts: list[Part] = []
    for name, study in studied.runs().items():
        named = replace(study, segmenter=name)
        found = registration(f"curves-{name}", draw).caption(named)
        text = f"Of {name}, drawn as the figure before." if parts else f"{before} {found.text}".strip()
        caption = Caption(f"{found.title}, {name}", text, found.alternative)
        parts.append(FigurePart(f"curves-{name}", partial(draw, named), caption, labels.get(study.segmenter, "")))
    return parts
