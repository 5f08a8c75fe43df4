"""Report `howfar bench`: the compared methods of estimating a score, and each method's errors by field of application."""

from collections.abc import Mapping
from typing import Any, Final

from howfar.report.section import UNDEFINED, Cell, ColumnOf, Section, TablePart, change, count, decimal, plural, tabulate

UNKNOWN: Final = "No entry has maps by tiles: the harm of adapting is not known."
SCORE: Final = "width of the 90 % interval + 20 × what the truth lies outside by; smaller is better"


def section(found: Mapping[str, Any]) -> Section:
    """Fill the section from what `howfar.studies.bench.method_comparison.bench` returns."""
    methods, fields = found["methods"], list(found["methods"][0]["by_field"])
    compared = f"{len(methods)} method{plural(len(methods))} on {methods[0]['sites']} sites"
    lead = f"{compared} of {len(found['entries'])} models in {len(fields)} fields."
    by_field = [_number(field, "", lambda one, field=field: one["by_field"][field]["set_error"]) for field in fields]
    parts = [
        TablePart("bench", "Methods", tabulate(methods, *COLUMNS)),
        TablePart("fields", "Mean error of the sites inside the gate, by field", tabulate(methods, COLUMNS[0], *by_field)),
    ]
    return Section(lead, parts, [] if any(one["advised"] for one in methods) else [UNKNOWN])


def _number(title: str, explanation: str, key: Any, decimals: int = 3) -> ColumnOf[Any]:
    return title, explanation, lambda one: decimal(key(one) if callable(key) else one[key], decimals)


def _share(title: str, explanation: str, key: str) -> ColumnOf[Any]:
    return title, explanation, lambda one: UNDEFINED if one[key] is None else _part(*one[key])


def _part(count: int, of: int) -> Cell:
    return Cell(f"{count} of {of}", count / of)


def _inside(one: Mapping[str, Any]) -> Cell:
    passed = one["answered"] if one["inside"] is None else one["inside"]
    return _part(passed, one["sites"]) if one["answered"] else UNDEFINED


COLUMNS: Final[tuple[ColumnOf[Any], ...]] = (
    ("method", "", lambda one: Cell(one["method"])),
    ("sites", "sites that it answers and that its gate, if any, lets pass", _inside),
    _number("error", "mean error of the estimated mean performance of these sites", "set_error"),
    _number("of all", "the same of all sites that it answers, those outside its gate among them", "set_error_all"),
    _number("interval score", SCORE, "interval_score"),
    _share("held", "90 % intervals of these sites that hold the measured mean", "held"),
    _number("images", "share of images whose performance lies in their own 90 % interval", "images_held", 2),
    ("misses", "sites with an error above 0.15 that its gate, if any, lets pass", lambda one: count(one["misses"])),
    ("needless", "sites that its gate stops, with an error of at most 0.1", lambda one: count(one["needless"])),
    _share("strangers", "datasets without the structures that its gate stops", "strangers"),
    _number("AURC", "area under the risk–coverage curve of its ranking of images; smaller is better", "aurc"),
    _number("labels", "labels for a mean half-width of 0.05, over sites of 20 images and more", "labels", 1),
    _number("at 8", "share of its 90 % intervals from 8 labels that hold the mean", "certified", 2),
    _share("advised", "sites where it expects 0.02 or more of predicting by tiles, of those with such maps", "advised"),
    ("gain", "mean true gain of the sites where it advises tiles", lambda one: change(one["gain"])),
    ("worst", "smallest true gain there, a harm below 0", lambda one: change(one["worst_gain"])),
)
