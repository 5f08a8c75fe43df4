"""Make the page that `howfar explore` serves, with the files that it loads."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from howfar.errors import InputError
from howfar.explore.adaptation_points import adaptation_points, masks_in
from howfar.explore.image_files import ImageFiles
from howfar.explore.pictures import masks_of
from howfar.explore.site import KEPT, Answer, Site
from howfar.io.location import absolute
from howfar.keywords import PageOptions
from howfar.report.explorer import bundle
from howfar.report.page import fill
from howfar.report.run_results import RunResults
from howfar.results import Comparison
from howfar.results.adaptation import Adaptation
from howfar.results.result import Result
from howfar.settings import checked
from howfar.studies.run_folder import load, with_map

STYLE = "text/css; charset=utf-8"
SCRIPT = "text/javascript; charset=utf-8"
PAGE = "text/html; charset=utf-8"
WIDE = (
    "body.served { max-width: 1500px; padding-top: 1.4rem; } body.served section { border: 0; margin-top: 0; padding-top: 0; }"
)
HANDED = f"{KEPT[:-1]}: howfar select RUN --picked hands them over."


def site_of(run: str | Path, **options: Unpack[PageOptions]) -> Site:
    """Read a run folder and make its site: a comparison, with the relation of that run where there is one, or an adaptation.

    Raises
    ------
    MissingPathError
        The folder holds no run.
    StoreError
        The run is damaged, or of another format.
    InputError
        It is of another kind, or a map is asked for that cannot be made.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import howfar
    >>> rng = np.random.default_rng(0)
    >>> run = howfar.compare(rng.normal(size=(20, 4)), {"site": rng.normal(size=(30, 4))}, bootstrap=0, permutations=0)
    >>> site = site_of(run.save(tempfile.mkdtemp()))
    >>> site.get("/").status, site.get("/image/0").status, site.get("/../result.json").status
    (200, 404, 404)
    """
    folder, given = absolute(run), checked(PageOptions, options)
    result = load(folder)
    with_map(result, given)
    pictures = pictures_of(result)
    if pictures is None:
        rule = "must be the folder of a run of compare or adapt"
        raise InputError.of("run", rule, str(run), f"this one is of {result.COMMAND}: look for such a folder below it")
    of_comparison = isinstance(result, Comparison)
    question = "How far from {}?" if of_comparison else "What did adapting from {} gain?"
    shown = {"question": question.format(pictures.points.primary), "selects": of_comparison}
    page = fill("explorer/page.html.j2", shown)
    sheet = (Path(__file__).parents[1] / "report.css").read_text(encoding="utf-8")
    files = {
        "/": Answer(200, PAGE, page.encode()),
        "/page.css": Answer(200, STYLE, f"{sheet}\n{bundle('bundle.css')}\n{WIDE}\n".encode()),
        "/bundle.js": Answer(200, SCRIPT, bundle("bundle.js").encode()),
    }
    return Site(folder, pictures, files, HANDED if of_comparison else KEPT)


def pictures_of(result: Result) -> ImageFiles | None:
    """Gather the images of a result in a run folder, with their pictures; None for one that the page does not show."""
    if isinstance(result, Comparison):
        shown = RunResults.of(result, result.folder)
        return ImageFiles(shown.points, masks_of(result.sources))
    if isinstance(result, Adaptation) and result.folder is not None:
        return ImageFiles(adaptation_points(result, result.folder), masks_in(result))
    return None
