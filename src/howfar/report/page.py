"""Fill the templates of reports, and write pages whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from howfar.glossary import terms_in
from howfar.io.atomic import replace_text
from howfar.io.lock import locked
from howfar.numbers import format_number
from howfar.printable import printable_lines
from howfar.report.figures import Figures, check_unchanged
from howfar.results.run_files import PAGE, check_page

if TYPE_CHECKING:
    from jinja2 import Environment

LONG = 12
TERMS = "<!-- terms -->"
"""Stands where the page explains its words, until it is known which there are."""
_HIDDEN = re.compile(r"<(style|script|svg)\b.*?</\1>|<[^>]*>", re.DOTALL)
_OPTION = re.compile(r"(?<!\S)--[a-z][a-z-]*")
_INTERVAL = re.compile(r"\[[^\]]{1,24}\]")


def write_page(template: str | Path, content: Mapping[str, Any], folder: str | Path, figures: Figures) -> Path:
    """Fill a template, write it to ``folder/report.html``, which is replaced at once, and return that path.

    What the template reads is `content`, the page's `figures`, and `long`, the rows above which a list is folded. The page
    names the runs that it shows; `StoreError` tells that another one was written into the folder meanwhile.
    """
    root = Path(folder)
    text = printable_lines(fill(template, {**content, "figures": figures, "terms": Markup(TERMS)}))
    text = text.replace(TERMS, fill("terms.html.j2", {"terms": terms_in(_visible(text))}), 1)
    with locked(root):
        check_unchanged(root, figures.runs)
        check_page(root)
        replace_text(root / PAGE, text)
    return root / PAGE


def _visible(page: str) -> str:
    """Return the text that a page shows, without styles, scripts, figures and tags."""
    return unescape(_HIDDEN.sub(" ", page.replace("<sup>dist</sup>", "^dist")))


def fill(template: str | Path, content: Mapping[str, Any], block: str = "") -> Markup:
    """Fill a template, or one of its blocks where it has one of that name, with all macros of ``macros.html.j2`` at hand.

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
    environment = Environment(
        loader=FunctionLoader(lambda name: (own / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": format_number, "raised": _raised, "bound": _bound}
    return environment


def _raised(text: str) -> Markup:
    """Raise the exponent of ``O^dist``; leave all else as text."""
    return Markup(str(escape(text)).replace("^dist", "<sup>dist</sup>"))


def _bound(text: str) -> Markup:
    """Hold numbers to their signs, intervals and the options of commands together, so that no line breaks between."""
    held = re.sub(r"(?<=\d) (?=%)|(?<=\b[pτ]) (?=[=<] )|(?<=\b[pτ] [=<]) |(?<=%) (?=CI)", "\u00a0", text)
    whole = _INTERVAL.sub(lambda interval: interval[0].replace(" ", "\u00a0"), held)
    return Markup(_OPTION.sub(r'<span class="option">\g<0></span>', str(escape(whole))))
