"""Fill the sections of a comparison's report: howfar's own in the order of the registry, then those of other packages."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from howfar import registry
from howfar.report.figures import Figures
from howfar.report.page import fill
from howfar.results import Comparison, Relation
from howfar.results.assessment import Assessment


@dataclass(frozen=True)
class Section:
    """Describe a section of a run's report; a line of `howfar.registry` or an entry point in ``howfar.sections`` names it.

    Attributes
    ----------
    name, title
        Its anchor, which no other section has, and its name in the page's contents.
    template
        Path of a jinja template, whose block called `name` is filled where it has one. It reads `c` (the comparison), `r` (the
        relation, or None), what `content` gives, and the macros of ``report/macros.html.j2``: `table`, `figure` …
    content
        From the comparison, and the relation where there is one, what the template reads; None leaves the section out. One that
        takes an `assessment` is given the run's, or None.
    whole
        Whether it is also about the corrupted versions of the primary's images that an assessment made to learn from; the
        other sections are about the datasets that somebody asked about.
    """

    name: str
    title: str
    template: str | Path
    content: Callable[..., Mapping[str, Any] | None]
    whole: bool = False


class Filled(NamedTuple):
    """Hold a section of one page."""

    name: str
    title: str
    html: Markup


def fill_sections(
    comparison: Comparison,
    relation: Relation | None,
    figures: Figures,
    assessment: Assessment | None = None,
    whole: tuple[Comparison, Relation | None] | None = None,
) -> list[Filled]:
    """Fill every registered section; one of another package that raises is left out with a note.

    `whole` is what sections read that are about the whole run, where that holds more than the others are to show.
    """
    filled = []
    for name in registry.ordered("sections"):
        try:
            section: Section = registry.load("sections", name)
            takes = "assessment" in inspect.signature(section.content).parameters
            shown = whole if whole is not None and section.whole else (comparison, relation)
            content = section.content(*shown, **({"assessment": assessment} if takes else {}))
            if content is not None:
                read = {"c": shown[0], "r": shown[1], "figures": figures, **content}
                filled.append(Filled(section.name, section.title, fill(section.template, read, section.name)))
        except Exception as error:
            if registry.is_ours("sections", name):
                raise
            figures.notes.append(f"The section {name} could not be made ({type(error).__name__}: {error}).")
    return filled
