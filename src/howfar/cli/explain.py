"""Explain a word of howfar's tables and reports (`howfar explain`)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from howfar.cli import options
from howfar.cli.terminal import console, print_json


def explain(
    term: Annotated[list[str] | None, typer.Argument(metavar="TERM", help="A word, such as relative or I^dist.")] = None,
    json: options.Json = False,
) -> None:
    """Explain a word of howfar's tables and reports; without one, list all words."""
    from howfar.glossary import explain as find
    from howfar.glossary import glossary

    found = [find(" ".join(term))] if term else list(glossary())
    if json:
        print_json({"terms": [asdict(each) for each in found]})
        return
    to = console()
    if not term:
        to.print(f"howfar explain TERM explains one of: {', '.join(each.name for each in found)}.", markup=False)
        return
    for each in found:
        to.print(each.name + (f" ({', '.join(each.also)})" if each.also else ""), style="bold", markup=False)
        to.print(each.text, markup=False)
        if each.formula:
            to.print(f"  {each.formula}", markup=False)
        see = f"See also: {', '.join(each.see)}. " if each.see else ""
        to.print(f"{see}Documentation: docs/{each.page}", markup=False)
