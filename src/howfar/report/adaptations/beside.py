"""Find the study of adaptation that lies beside another study, and put its curves (figs 4-6, 14-16) into a section."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from howfar.errors import MissingPathError
from howfar.figures.registration import Caption, registration
from howfar.report.parts import FigurePart, Part
from howfar.results.adaptations import Adaptations

ABSENT = "The study of adaptation does not lie beside this one, so the figures of its images are left out."


def folder_of(of: str, folder: Path) -> Path:
    """Give the folder of the study of adaptation called `of`, by the folder of a study of the same file."""
    return folder.resolve().parent / of


def beside(of: str, folder: Path) -> Adaptations | None:
    """Load the study of adaptation called `of` that lies beside a study's folder; None where it is not there."""
    try:
        return Adaptations.load(folder_of(of, folder))
    except MissingPathError:
        return None


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
