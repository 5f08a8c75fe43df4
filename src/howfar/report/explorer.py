"""Show a run's images interactively: in its report, on the page that `howfar explore` serves, and in a notebook."""

import base64
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Unpack

import numpy as np
from markupsafe import Markup

from howfar.errors import InputError
from howfar.explore.page_data import PageParts, in_levels, page_data
from howfar.explore.points import RunImages, adaptation_points, masks_in, points_of
from howfar.explore.run_pictures import MOST_ROWS, ImageFiles, masks_of, sample, thumbnails
from howfar.explore.server import KEPT, Response, RunSite
from howfar.explore.text_search import search_of
from howfar.explore.widget import Explorer
from howfar.io.file_location import absolute
from howfar.option_validation import checked
from howfar.options import Maps, Stored
from howfar.options_by_function import PageOptions
from howfar.pixel_options import READING
from howfar.report.page import SECTION, SectionKind, fill
from howfar.report.run_results import RunResults
from howfar.report.section import Section
from howfar.results import Comparison, Relation
from howfar.results.adaptation_result import Adaptation
from howfar.results.comparison_result import ImageMap
from howfar.results.result import Result
from howfar.studies.image_umap import check_map, keep_map
from howfar.studies.run_report import load, with_map

MOST_IN_REPORT = 100_000
"""Images of the interactive part of a report, which is one file; `howfar explore` shows all."""
MODELS = 6
"""Models of a study whose predictions a report holds."""


def bundle(name: str) -> Markup:
    """Return the text of ``bundle.js`` or ``bundle.css``, built by `npm run build` in ``web/``."""
    return Markup(resources.files("howfar.explore").joinpath(name).read_text(encoding="utf-8"))


def _content(comparison: Comparison, relation: Relation | None) -> Section:
    return section(
        points_of(comparison, relation, ImageMap.of(comparison)),
        masks_of(comparison.sources, comparison.backbone.identity.get(READING)),
        comparison.folder,
    )


def section(points: RunImages, masks: Mapping[tuple[str, str], str], folder: Path | None) -> Section:
    """Build the interactive section; the run folder `folder` keeps small photographs for the next report."""
    whole = len(points)
    if whole > MOST_IN_REPORT:
        informative = sample(points, MOST_ROWS)
        even = in_levels(np.arange(whole), MOST_IN_REPORT - len(informative))
        points = points.at_rows(np.union1d(informative, even))
    data = page_data(points, small=thumbnails(points, masks, folder=folder))
    shown = f"{len(points):,} of the {whole:,}" if len(points) < whole else f"the {whole:,}"
    packed = {"data": base64.b64encode(data).decode("ascii"), "script": bundle("bundle.js"), "style": bundle("bundle.css")}
    packed |= {"shown": shown if len(points) < whole else ""}
    return Section("", [fill("explorer/section.html.j2", packed)], title=f"Explore {shown} images", folded=True)


def adaptation_section(adaptation: Adaptation, folder: Path) -> Section | None:
    """Build the section on an adaptation study's images, with the models of its first seed; None if no image is scored."""
    points = adaptation_points(adaptation, folder, MODELS)
    return section(points, masks_in(adaptation), adaptation.folder) if len(points) else None


EXPLORE = SectionKind("explore", "Explore", SECTION, _content)


STYLE = "text/css; charset=utf-8"
SCRIPT = "text/javascript; charset=utf-8"
PAGE = "text/html; charset=utf-8"
WIDE = (
    "body.served { max-width: 1500px; padding-top: 1.4rem; } body.served section { border: 0; margin-top: 0; padding-top: 0; }"
)
HANDED = f"{KEPT[:-1]}: howfar select RUN --picked hands them over."


def site_of(run: str | Path, **options: Unpack[PageOptions]) -> RunSite:
    """Read a run folder and build its site: a comparison, with its relation if any, or an adaptation.

    Raises `MissingPathError` for a folder without a run, `StoreError` for a damaged run or one of another format, and
    `InputError` for a run of another kind or a map that cannot be made.
    """
    folder, given = absolute(run), checked(PageOptions, options)
    result = load(folder)
    with_map(result, given)
    parts = parts_of(result, given["store"])
    if parts is None:
        rule = "must be the folder of a run of compare or adapt"
        raise InputError.of("run", rule, str(run), f"this one is of {result.COMMAND}: look for such a folder below it")
    compared = isinstance(result, Comparison)
    question = "How far from {}?" if compared else "What did adapting from {} gain?"
    shown = {"question": question.format(parts.pictures.points.primary), "selects": compared}
    page = fill("explorer/page.html.j2", shown)
    sheet = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
    files = {
        "/": Response(200, PAGE, page.encode()),
        "/page.css": Response(200, STYLE, f"{sheet}\n{bundle('bundle.css')}\n{WIDE}\n".encode()),
        "/bundle.js": Response(200, SCRIPT, bundle("bundle.js").encode()),
    }
    return RunSite(folder, parts, files, HANDED if compared else KEPT)


def parts_of(result: Result, store: Stored = None) -> PageParts | None:
    """Collect what the page of a result asks for; None for a result that the page cannot show."""
    if isinstance(result, Comparison):
        shown = RunResults.of(result, result.folder)
        return of_comparison(shown, store)
    if type(result) is Adaptation and result.folder is not None:
        return PageParts(ImageFiles(adaptation_points(result, result.folder), masks_in(result)))
    return None


def of_comparison(shown: RunResults, store: Stored = None) -> PageParts:
    """Collect what the page of a comparison asks for, with a search by text if its backbone reads texts."""
    pictures = ImageFiles(shown.points, masks_of(shown.whole[0].sources, shown.comparison.backbone.identity.get(READING)))
    return PageParts(pictures, *search_of(shown.comparison, store))


def explore(comparison: Comparison, relation: Relation | None = None, map: Maps | None = None) -> Explorer:  # noqa: A002  # its name
    """Make the widget of a comparison; `Comparison.explore` documents arguments, result and errors."""
    folder: Path | None = comparison.folder
    check_map(map, folder)
    keep_map(comparison, map)
    shown = RunResults.of(comparison, folder, relation)
    return Explorer(of_comparison(shown), shown.comparison.images, (bundle("widget.js"), bundle("widget.css")))
