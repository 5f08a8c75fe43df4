"""Fill the templates of reports with a run's results, and write the HTML pages atomically."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import pandas as pd
from markupsafe import Markup, escape

from howfar.errors import InputError, StoreError
from howfar.explore.image_rows_and_positions import RunImages, points_of
from howfar.formatting_and_escaping import format_number, printable_lines
from howfar.glossary import terms_in
from howfar.io.atomic_writes import replace_text
from howfar.io.file_locks import locked
from howfar.report import section as doc
from howfar.report.report_figures import Figures, check_unchanged
from howfar.results import Comparison, Relation
from howfar.results.assessment_result import Assessment
from howfar.results.checksums_and_overwrite_guard import PAGE, check_files
from howfar.results.comparison_result import ImageMap
from howfar.results.display_and_shared_records import Provenance

if TYPE_CHECKING:
    from jinja2 import Environment


LONG = 12
SECTION = "section.html.j2"
TERMS = "<!-- terms -->"
"""Stands where the page explains its words, until it is known which there are."""
SUMMARY = "summary.html"
_BEYOND_SUMMARY = re.compile(
    r'<section id="(?:[^"]*" class="folded|further)">.*?</section>|<nav\b.*?</nav>|<details>.*?</details>|<script>.*?</script>',
    re.DOTALL,
)
_HIDDEN = re.compile(r"<(style|script|svg)\b.*?</\1>|<[^>]*>", re.DOTALL)
_NAME = re.compile(r"`([^`\s]+)`")
_PATH = re.compile(r"(?<!\S)[^\s/]*/\S+")
_OPTION = re.compile(r"(?<!\S)--[a-z][a-z-]*")
_INTERVAL = re.compile(r"\[[^\]]{1,24}\]")


class FilledSection(NamedTuple):
    """Hold a rendered section of a page."""

    name: str
    title: str
    html: Markup
    folded: bool = False


def write_page(
    folder: str | Path,
    figures: Figures,
    sections: Iterable[FilledSection | tuple[str, str, doc.Section | None]],
    heads: tuple[str, str, str],
    facts: Iterable[str],
    provenance: Provenance,
) -> Path:
    """Write a page atomically to ``folder/report.html``, and return that path.

    A section is rendered already, or has anchor, title and content, where None leaves it out. `heads` are the kind of page, its
    question and the browser's title; the facts stand below the question. The page names the runs that it shows; `StoreError`
    tells that another one was written into the folder meanwhile.
    """
    page: dict[str, Any] = dict(zip(("kicker", "question", "title"), heads, strict=True))
    page |= {"facts": facts, "provenance": provenance, "sections": []}
    for each in sections:
        if isinstance(each, FilledSection):
            page["sections"].append(each)
        elif each[2] is not None:
            page["sections"].append(fill_section(each[0], each[1], each[2], figures))
    text = printable_lines(fill("page.html.j2", {"page": page, "figures": figures, "terms": Markup(TERMS)}))
    text = text.replace(TERMS, fill("terms.html.j2", {"terms": terms_in(_visible(text))}), 1)
    root = Path(folder)
    with locked(root):
        check_unchanged(root, figures.runs)
        check_files(root, "out", page=True)
        replace_text(root / PAGE, text)
    return root / PAGE


def fill_section(name: str, title: str, section: doc.Section, figures: Figures) -> FilledSection:
    """Render a section with the anchor `name`; its own title or else `title` stands above it and in the page's contents."""
    content = {"name": name, "title": title, "section": section, "figures": figures}
    return FilledSection(name, section.title or title, fill(SECTION, content), section.folded)


def limits_section(lines: Sequence[str]) -> tuple[str, str, doc.Section]:
    """Build the section on the limits of a page's numbers."""
    return "limits", "Limits", doc.Section("", [doc.Items(lines)], folded=True)


def made_section(made: doc.Made) -> tuple[str, str, doc.Section]:
    """Build the section on the making of a page's numbers."""
    return "made", "How it was made", doc.Section("", [made], folded=True)


def write_summary(page: Path) -> Path:
    """Write ``summary.html`` beside a page, with the sections that a reader sees at once, to print; return its path."""
    text = _BEYOND_SUMMARY.sub("", page.read_text(encoding="utf-8")).replace("<body>", '<body class="summary">', 1)
    replace_text(page.with_name(SUMMARY), text)
    return page.with_name(SUMMARY)


def _visible(page: str) -> str:
    """Return a page's visible text, without styles, scripts, figures and tags."""
    return unescape(_HIDDEN.sub(" ", page.replace("<sup>dist</sup>", "^dist")))


def fill(template: str | Path, content: Mapping[str, Any], block: str = "") -> Markup:
    """Render a template, or its block `block` if it exists, with all macros of ``macros.html.j2``.

    A template's path is absolute or below this folder.
    """
    whole, macros = (_environment().get_template(name) for name in (str(template), "macros.html.j2"))
    variables = {**content, "long": LONG}
    shared = {name: value for name, value in vars(macros.make_module(variables)).items() if not name.startswith("_")}
    context = whole.new_context({**shared, **variables})
    return Markup("".join(whole.blocks.get(block, whole.root_render_func)(context)))


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    own = Path(__file__).parent
    loader = FunctionLoader(lambda name: (own / name).read_text(encoding="utf-8"))
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    filters = {"number": format_number, "raised": _raised, "bound": _bound, "breakable": _breakable, "whole": _whole}
    environment.filters |= filters | {"kind": lambda part: type(part).__name__}
    return environment


def _raised(text: str) -> Markup:
    """Set the exponent of ``O^dist`` in superscript, and names in backticks as code; keep all other text."""
    return Markup(_NAME.sub(r"<code>\1</code>", str(escape(text)).replace("^dist", "<sup>dist</sup>")))


def _breakable(text: str) -> Markup:
    """Allow a line to break after each underscore of a name."""
    return Markup(str(escape(text)).replace("_", "_<wbr>"))


def _whole(text: str) -> Markup:
    """Keep each path on one line where it fits."""
    return Markup(_PATH.sub(r'<span class="whole">\g<0></span>', str(escape(text))))


def _bound(text: str) -> Markup:
    """Prevent line breaks between numbers and their signs or intervals, and within command options."""
    held = re.sub(r"(?<=\d) (?=%)|(?<=\b[pτ]) (?=[=<] )|(?<=\b[pτ] [=<]) |(?<=%) (?=CI)", "\u00a0", text)
    whole = _INTERVAL.sub(lambda interval: interval[0].replace(" ", "\u00a0"), held)
    return Markup(_OPTION.sub(r'<span class="option">\g<0></span>', whole if isinstance(text, Markup) else str(escape(whole))))


@dataclass(frozen=True)
class SectionKind:
    """Describe a section of a run's report, registered in `howfar.registry` or by an entry point in ``howfar.sections``.

    Its anchor is `name`, its name in the page's contents `title`, unless the `Section` has a title. `content` makes, from the
    comparison and the relation or None, a `Section`, or what the jinja template reads beside `c` (the comparison), `r` (the
    relation) and the macros of ``report/macros.html.j2``; None leaves the section out. One that takes an `assessment` is given
    the run's, or None. The template's block called `name` is filled where it has one. A section that is `whole` is also about
    the corrupted versions of the primary's images that an assessment made to learn from.
    """

    name: str
    title: str
    template: str | Path
    content: Callable[..., doc.Section | Mapping[str, Any] | None]
    whole: bool = False


Kept = TypeVar("Kept", Comparison, Relation | None)
Saved = TypeVar("Saved", Relation, Assessment)


def without_corrupted(result: Kept, assessment: Assessment | None) -> Kept:
    """Remove from a result's tables and tuples the datasets that an assessment made itself, and the pooled trend if any."""
    made = {row.dataset for row in assessment.labelled if row.origin == "corrupted"} if assessment is not None else set()
    if result is None or not made:
        return result
    changes: dict[str, Any] = {"pooled": None, "pooled_verdict": None} if isinstance(result, Relation) else {}
    for field in fields(result):
        value = getattr(result, field.name)
        if isinstance(value, pd.DataFrame):
            columns = [name for name in ("dataset", "against", "other_dataset") if name in value]
            kept = ~value[columns].isin(made).any(axis=1) if columns else slice(None)
            changes.setdefault(field.name, value[kept].reset_index(drop=True))
        elif isinstance(value, tuple):
            own = (row for row in value if made.isdisjoint({getattr(row, "dataset", None), getattr(row, "name", None)}))
            changes.setdefault(field.name, tuple(own))
    return replace(result, **changes).part_of(result)


def gates_as_answered(relation: Relation | None, assessment: Assessment | None) -> Relation | None:
    """Replace a relation's gates by those in the assessment, which ignores image size for tiled maps."""
    if relation is None or assessment is None:
        return relation
    read = {site.dataset: site.gate for site in assessment.sites if site.gate is not None}
    gates = tuple(read.get(gate.dataset, gate) for gate in relation.gates)
    return replace(relation, gates=gates).part_of(relation)


@dataclass(frozen=True)
class RunResults:
    """Hold the results of a run for its pages; only `whole` has the corrupted sets that an assessment made to learn from."""

    comparison: Comparison
    relation: Relation | None
    assessment: Assessment | None
    whole: tuple[Comparison, Relation | None]

    @property
    def points(self) -> RunImages:
        """Return the images of the interactive page, also placed by the run's map if there is one."""
        return points_of(self.comparison, self.relation, ImageMap.of(self.comparison))

    @classmethod
    def of(
        cls, comparison: Comparison, folder: Path | None, relation: Relation | None = None, assessment: Assessment | None = None
    ) -> RunResults:
        """Collect the results of a run; relation and assessment default to those in its folder, if any.

        Raises `InputError` for a relation of other datasets, and `StoreError` where one in the folder is of another run.
        """
        related = relation or _loaded(Relation, folder)
        if related is not None:
            if related.parents and comparison.run_id not in related.parents:
                where = folder or "relation"
                raise StoreError(f"{where}: relation.json is of another run than result.json: run relate again")
            names, other = [dataset.name for dataset in comparison.datasets], list(dict.fromkeys(related.images["dataset"]))
            if names != other:
                rule = f"must be of this run, whose datasets are {', '.join(names)}"
                raise InputError.of("relation", rule, ", ".join(map(str, other)))
        answers = assessment or _loaded(Assessment, folder)
        # Answers about another relation are left out.
        if answers is not None and (
            related is None or not answers.fits(related) or (answers.parents and related.run_id not in answers.parents)
        ):
            answers = None
        related = gates_as_answered(related, answers)
        shown = without_corrupted(comparison, answers), without_corrupted(related, answers)
        return cls(*shown, answers, (comparison, related))


def _loaded(kind: type[Saved], folder: Path | None) -> Saved | None:
    return kind.load(folder) if folder is not None and (folder / kind.DOCUMENT).is_file() else None
