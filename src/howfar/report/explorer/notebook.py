"""Show a run in a notebook by the page's own script."""

from __future__ import annotations

from pathlib import Path

from howfar.explore.image_files import ImageFiles
from howfar.explore.pictures import masks_of
from howfar.explore.widget import Explorer
from howfar.options import Maps
from howfar.report.explorer import bundle
from howfar.report.run_results import RunResults
from howfar.results import Comparison, Relation
from howfar.studies.image_map import check_map, keep_map


def explore(comparison: Comparison, relation: Relation | None = None, map: Maps | None = None) -> Explorer:  # noqa: A002  # its name
    """Make the widget of a comparison; what it takes, returns and raises is said at `Comparison.explore`."""
    folder: Path | None = comparison.folder
    check_map(map, folder)
    keep_map(comparison, map)
    shown = RunResults.of(comparison, folder, relation)
    pictures = ImageFiles(shown.points, masks_of(comparison.sources))
    return Explorer(pictures, shown.comparison.images, (bundle("widget.js"), bundle("widget.css")))
