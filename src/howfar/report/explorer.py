"""Show a run's images interactively: in its report, on the page that `howfar explore` serves, and in a notebook."""

import base64
from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final, Unpack

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from howfar.backbones import Options
from howfar.backbones.published_vision_models import reads_text, text_tower
from howfar.errors import InputError, MissingPathError, StoreError
from howfar.explore.image_rows_and_positions import RunImages, adaptation_points, masks_in, points_of
from howfar.explore.notebook_widget import Explorer
from howfar.explore.page_data import in_levels, page_data
from howfar.explore.page_requests import PageParts
from howfar.explore.page_server_and_picks import KEPT, Response, RunSite
from howfar.explore.run_photographs_and_masks import MOST_ROWS, masks_of, sample, thumbnails
from howfar.image_reading_options import READING
from howfar.io.file_location import absolute
from howfar.option_checks_and_signatures import checked
from howfar.options import Maps, Stored
from howfar.options_by_function import PageOptions
from howfar.report.page import SECTION, RunResults, SectionKind, fill
from howfar.report.section import Section
from howfar.results import Comparison, Relation
from howfar.results.adaptation_result import Adaptation
from howfar.results.comparison_result import ImageMap
from howfar.store import Store
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
    masks = masks_of(comparison.sources, comparison.backbone.identity.get(READING))
    return section(points_of(comparison, relation, ImageMap.of(comparison)), masks, comparison.folder)


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
    if isinstance(result, Comparison):
        parts = of_comparison(RunResults.of(result, result.folder), given["store"])
    elif type(result) is Adaptation and result.folder is not None:
        parts = PageParts(adaptation_points(result, result.folder), masks_in(result))
    else:
        rule = "must be the folder of a run of compare or adapt"
        raise InputError.of("run", rule, str(run), f"this one is of {result.COMMAND}: look for such a folder below it")
    compared = isinstance(result, Comparison)
    question = "How far from {}?" if compared else "What did adapting from {} gain?"
    shown = {"question": question.format(parts.points.datasets[-1]), "selects": compared}
    page = fill("explorer/page.html.j2", shown)
    sheet = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
    files = {
        "/": Response(200, PAGE, page.encode()),
        "/page.css": Response(200, STYLE, f"{sheet}\n{bundle('bundle.css')}\n{WIDE}\n".encode()),
        "/bundle.js": Response(200, SCRIPT, bundle("bundle.js").encode()),
    }
    return RunSite(folder, parts, files, HANDED if compared else KEPT)


def of_comparison(shown: RunResults, store: Stored = None) -> PageParts:
    """Collect what the page of a comparison asks for, with a search by text if its backbone reads texts."""
    masks = masks_of(shown.whole[0].sources, shown.comparison.backbone.identity.get(READING))
    return PageParts(shown.points, masks, *search_of(shown.comparison, store))


def explore(comparison: Comparison, relation: Relation | None = None, map: Maps | None = None) -> Explorer:  # noqa: A002  # its name
    """Make the widget of a comparison; `Comparison.explore` documents arguments, result and errors."""
    folder: Path | None = comparison.folder
    check_map(map, folder)
    keep_map(comparison, map)
    shown = RunResults.of(comparison, folder, relation)
    return Explorer(of_comparison(shown), shown.comparison.images, (bundle("widget.js"), bundle("widget.css")))


Similarity = Callable[[str], NDArray[np.float32]]
_BLOCK: Final = 10_000
"""Rows of features that are read at once."""


def search_of(comparison: Comparison, store: Stored = None) -> tuple[Similarity | None, str]:
    """Return a function from a text to the cosine of each image with it, or None and a sentence that says why not.

    The images are those of `howfar.explore.image_rows_and_positions.points_of`, in that order; the function raises
    `HowfarError` where the text tower or the stored features cannot be had.
    """
    backbone = comparison.backbone
    if not reads_text(backbone.identity) or not comparison.options:
        why = "Search by text needs a backbone that reads texts (clip, siglip2)"
        return None, f"{why}; this run was made with {backbone.name}."
    contents = [*comparison.images["content"], *comparison.primary_images.drop_duplicates("image")["content"]]
    shelf = Store(store) if store is None or isinstance(store, (str, Path)) else store

    @cache
    def tower() -> Callable[[str], NDArray[np.float32]]:
        chosen = dict(comparison.options)
        name = str(chosen.pop("name"))
        family, _, model = name.partition(":")
        chosen |= {"weights": Path(chosen["weights"])} if "weights" in chosen else {}
        return text_tower(Options(**chosen, model=model or None), family if model == "" else name)

    def similarity(text: str) -> NDArray[np.float32]:
        if not text.strip():
            raise InputError.of("text", "must not be empty", text)
        wanted = tower()(text)
        try:
            rows = shelf.open(backbone.identity, backbone.length).select(contents)
        except StoreError as error:
            remedy = "name the store that compare used: howfar explore RUN --store DIR"
            raise MissingPathError(f"the features of this run's images are not stored here ({error}): {remedy}") from error
        cosines: list[NDArray[np.float32]] = []
        for start in range(0, len(contents), _BLOCK):
            block = rows.rows(start, start + _BLOCK)
            lengths = np.linalg.norm(block, axis=1) * np.linalg.norm(wanted)
            cosines.append((block @ wanted / np.where(lengths > 0, lengths, 1.0)).astype(np.float32))
        return np.concatenate(cosines)

    return similarity, ""
