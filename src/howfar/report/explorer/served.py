"""Make the page that `howfar explore` serves, with the files that it loads."""

from __future__ import annotations

from pathlib import Path

from howfar.errors import StoreError
from howfar.explore.site import Answer, Site
from howfar.report.explorer import bundle
from howfar.report.page import fill
from howfar.results import Comparison, Relation
from howfar.results.assessment import Assessment

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
    from howfar.report.assessment.sites_alone import related_without_corrupted, without_corrupted

    folder = Path(run)
    comparison = Comparison.load(folder)
    relation = _relation(folder, comparison)
    answers = Assessment.load(folder) if (folder / Assessment.DOCUMENT).is_file() else None
    if answers is not None and relation is not None and answers.fits(relation):
        comparison, relation = without_corrupted(comparison, answers), related_without_corrupted(relation, answers)
    page = fill("explorer/page.html.j2", {"title": comparison.primary.name})
    sheet = (Path(__file__).parents[1] / "report.css").read_text(encoding="utf-8")
    return Site(
        folder,
        comparison,
        relation,
        {
            "/": Answer(200, PAGE, page.encode()),
            "/page.css": Answer(200, STYLE, f"{sheet}\n{bundle('bundle.css')}\n{WIDE}\n".encode()),
            "/bundle.js": Answer(200, SCRIPT, bundle("bundle.js").encode()),
        },
    )


def _relation(folder: Path, comparison: Comparison) -> Relation | None:
    if not (folder / Relation.DOCUMENT).is_file():
        return None
    relation = Relation.load(folder)
    if relation.parents and comparison.run_id not in relation.parents:
        raise StoreError(f"{folder} holds the relation of another run: run howfar relate {folder} again")
    ours = [dataset.name for dataset in comparison.datasets] == list(dict.fromkeys(relation.images["dataset"]))
    return relation if ours else None
