"""Write the section of the report in which images are pointed at, filtered, looked at and collected."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from importlib import resources
from typing import Any

from markupsafe import Markup

from howfar.explore.page_data import page_data
from howfar.explore.pictures import masks_of
from howfar.explore.points import points_of
from howfar.explore.thumbnails import thumbnails
from howfar.report.sections import Section
from howfar.results import Comparison, Relation


def bundle(name: str) -> Markup:
    """Return the text of ``bundle.js`` or ``bundle.css``, which `npm run build` in ``web/`` made."""
    return Markup(resources.files("howfar.explore").joinpath(name).read_text(encoding="utf-8"))


def _content(comparison: Comparison, relation: Relation | None) -> Mapping[str, Any]:
    small = thumbnails(points_of(comparison, relation), masks_of(comparison.sources))
    data = page_data(comparison, relation, small=small)
    return {
        "data": Markup(base64.b64encode(data).decode("ascii")),
        "script": bundle("bundle.js"),
        "style": bundle("bundle.css"),
        "pictured": len(small),
    }


SECTION = Section("explore", "Explore", "explorer/section.html.j2", _content)
