"""What every page of a report is made with: the templates' environment, and the file that is whole or not there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from howfar.io.atomic import replace_text
from howfar.numbers import format_number

if TYPE_CHECKING:
    from jinja2 import Environment

PAGE = "report.html"
LONG = 12
_INTERVAL = re.compile(r"\[[^\]]{1,24}\]")


def write_page(template: str, content: Mapping[str, Any], folder: Path) -> Path:
    """Render one of our templates to ``folder/report.html``, which is replaced at once, and return its path.

    Parameters
    ----------
    template
        Its file's name.
    content
        What it reads; `long`, the rows above which a list is folded, is added.
    folder
        It exists.
    """
    page = _environment().get_template(template).render(**content, long=LONG)
    replace_text(folder / PAGE, page)
    return folder / PAGE


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("howfar.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = format_number
    environment.filters["raised"] = _raised
    environment.filters["bound"] = _bound
    return environment


def _raised(text: str) -> Markup:
    """``O^dist`` with its exponent raised; all else as text."""
    return Markup(str(escape(text)).replace("^dist", "<sup>dist</sup>"))


def _bound(text: str) -> str:
    """The text with numbers held to their signs and intervals together, so that no line breaks between."""
    held = re.sub(r"(?<=\d) (?=%)|(?<=\b[pτ]) (?=[=<] )|(?<=\b[pτ] [=<]) |(?<=%) (?=CI)", "\u00a0", text)
    return _INTERVAL.sub(lambda found: found[0].replace(" ", "\u00a0"), held)
