"""Make the page that `howfar explore` serves, with the files that it loads."""

from __future__ import annotations

from pathlib import Path

from howfar.explore.site import Answer, Site
from howfar.report.explorer import bundle
from howfar.report.page import fill
from howfar.report.run_results import RunResults
from howfar.results import Comparison

STYLE = "text/css; charset=utf-8"
SCRIPT = "text/javascript; charset=utf-8"
PAGE = "text/html; charset=utf-8"
WIDE = (
    "body.served { max-width: 1500px; padding-top: 1.4rem; } body.served section { border: 0; margin-top: 0; padding-top: 0; }"
)


def site_of(run: str | Path) -> Site:
    """Read a run folder and make its site: the comparison, and its relation where there is one of the same run.

    Raises
    ------
    MissingPathError
        The folder holds no run.
    StoreError
        The run is damaged, or of another format.

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
    folder = Path(run)
    shown = RunResults.of(Comparison.load(folder), folder)
    page = fill("explorer/page.html.j2", {"title": shown.comparison.primary.name})
    sheet = (Path(__file__).parents[1] / "report.css").read_text(encoding="utf-8")
    return Site(
        folder,
        shown.comparison,
        shown.relation,
        {
            "/": Answer(200, PAGE, page.encode()),
            "/page.css": Answer(200, STYLE, f"{sheet}\n{bundle('bundle.css')}\n{WIDE}\n".encode()),
            "/bundle.js": Answer(200, SCRIPT, bundle("bundle.js").encode()),
        },
    )
