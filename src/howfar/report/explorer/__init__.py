"""Write the section of the report in which images are pointed at, filtered, looked at and collected."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from markupsafe import Markup

from howfar.explore.adaptation_points import adaptation_points, masks_in
from howfar.explore.page_data import page_data
from howfar.explore.pictures import masks_of
from howfar.explore.points import Points, points_of
from howfar.explore.thumbnails import thumbnails
from howfar.report.page import fill
from howfar.report.sections import Section
from howfar.results import Comparison, Relation
from howfar.results.adaptation import Adaptation
from howfar.results.image_map import ImageMap

MODELS = 6
"""Models of a study whose predictions a report holds."""


def bundle(name: str) -> Markup:
    """Return the text of ``bundle.js`` or ``bundle.css``, which `npm run build` in ``web/`` made."""
    return Markup(resources.files("howfar.explore").joinpath(name).read_text(encoding="utf-8"))


def _content(comparison: Comparison, relation: Relation | None) -> Mapping[str, Any]:
    points = points_of(comparison, relation, ImageMap.of(comparison))
    return section(points, masks_of(comparison.sources), comparison.folder)


def section(points: Points, masks: Mapping[tuple[str, str], str], folder: Path | None = None) -> Mapping[str, Any]:
    """Gather what ``section.html.j2`` reads: the block of data with small pictures, the script and its style.

    `folder` is the run folder, which keeps small photographs for the next report.
    """
    data = page_data(points, small=thumbnails(points, masks, folder=folder))
    return {
        "data": Markup(base64.b64encode(data).decode("ascii")),
        "script": bundle("bundle.js"),
        "style": bundle("bundle.css"),
    }


def adaptation_section(adaptation: Adaptation, folder: Path) -> Markup:
    """Fill the section for the images of an adaptation study, with the models of its first seed to switch between.

    It is empty for a study that scored no image.
    """
    points = adaptation_points(adaptation, folder, MODELS)
    return (
        fill("explorer/section.html.j2", section(points, masks_in(adaptation), adaptation.folder))
        if len(points)
        else Markup("")
    )


SECTION = Section("explore", "Explore", "explorer/section.html.j2", _content)
