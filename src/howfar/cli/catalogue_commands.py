"""List backbones, strategies, the paper's datasets and glossary terms (`howfar backbones`, `strategies`, `data`, `explain`)."""

from __future__ import annotations

from dataclasses import asdict, astuple
from typing import TYPE_CHECKING, Annotated, Any

import typer

from howfar.cli import flags
from howfar.cli.flags import argument
from howfar.cli.printing import console, print_json, print_paths, print_table, say

if TYPE_CHECKING:
    from howfar.data.paper_datasets_and_checks import CatalogueEntry


def backbones(json: flags.Json = False) -> None:
    """List the backbones: feature length q, input, weights, licence."""
    from howfar.backbones import cards

    listed = cards()
    if json:
        print_json([asdict(card) for card in listed])
        return
    header = ("name", "q", "input", "weights", "licence", "what it is")
    rows = [(card.name, "any" if card.length is None else f"{card.length:,}", *astuple(card)[2:]) for card in listed]
    print_table(console(), header, rows, left=(header[0], *header[2:]))


def strategies(json: flags.Json = False) -> None:
    """List the strategies of select and adapt: what each does and reads, and whether a record shows that it beats random."""
    from howfar.glossary import names
    from howfar.selection import every
    from howfar.selection.evidence import evidence, summaries

    listed = [(strategy, evidence(strategy.name)) for strategy in every()]
    if json:
        rows = [{"name": each.name, "needs": each.needs, "nested": each.nested, **asdict(shown)} for each, shown in listed]
        print_json({"strategies": rows, "summary": " ".join(summaries())})
        return
    to, header = console(), ("name", "takes", "reads", "nested", "against random")
    takes = {each.name: (getattr(each, "rule", type(each)).__doc__ or "–").partition("\n")[0].rstrip(".") for each, _ in listed}
    takes |= {term.name: term.text.removeprefix("A strategy: ").partition(". ")[0].rstrip(".") for term in names()}
    cells = [
        (each.name, takes[each.name], ", ".join(each.needs) or "–", "yes" if each.nested else "no", shown.line)
        for each, shown in listed
    ]
    print_table(to, header, cells, left=header)
    for line in summaries():
        to.print(line)


_NAME = "A dataset of the paper; without it all are listed."
_WIDE = 160
_FOLDER = "Check this folder, or any other dataset of images, against NAME."


def data(
    name: Annotated[str | None, typer.Argument(help=_NAME)] = None,
    folder: Annotated[str | None, typer.Argument(help=_FOLDER)] = None,
    json: flags.Json = False,
) -> None:
    """Say where to get the paper's datasets and under which terms, or compare FOLDER with NAME.

    Exit code 0 where the folder agrees with the paper, 1 where it does not.
    """
    from howfar.data.paper_datasets_and_checks import catalogue, check_folder, entry

    to = console()
    if name is None:
        if json:
            print_json([asdict(each) for each in catalogue()])
            return
        header = ("name", "symbol", "images", "pixels", "masks", "terms", *(("where",) if to.width >= _WIDE else ()))
        counts = ["" if each.images is None else f"{each.images:,}" for each in catalogue()]
        rows = [
            (each.name, each.symbol, count, each.pixels, each.masks, each.terms, each.where[0])
            for each, count in zip(catalogue(), counts, strict=True)
        ]
        print_table(to, header, [row[: len(header)] for row in rows], left=(*header[:2], *header[3:]))
        to.print("howfar data NAME says where it is had and whom to cite; howfar data NAME FOLDER checks a folder")
    elif folder is None:
        if json:
            print_json(asdict(entry(name)))
            return
        print_paths({label: text or None for label, text in _lines(entry(name))})
    else:
        check = check_folder(name, folder)
        if json:
            print_json({**asdict(check), "agrees": check.agrees})
        else:
            for finding in check.findings:
                say(f"{'right' if finding.agrees else 'off'}: {finding.text}")
        if not check.agrees:
            raise typer.Exit(1)


def _lines(entry: CatalogueEntry) -> list[tuple[str, Any]]:
    few_to_many = "{} to {}".format(*entry.per_category) if entry.per_category else ""
    return [
        ("name", entry.title),
        ("symbol", entry.symbol),
        ("what", entry.what),
        ("images", entry.images),
        ("categories", ", ".join(entry.categories)),
        ("number of categories", entry.n_categories),
        ("images a category", few_to_many),
        ("variations", ", ".join(f"{group} {number}" for group, number in entry.variations.items())),
        ("pixels", entry.pixels),
        ("masks", entry.masks),
        ("note", entry.note),
        ("where", " ".join(entry.where)),
        ("terms", f"{entry.terms} ({entry.licence_source})" if entry.licence else entry.terms),
        ("folder", entry.layout),
        ("cite", entry.citation),
        ("used in", ", ".join(entry.used_in)),
    ]


def explain(
    term: Annotated[list[str] | None, argument("TERM", "A term, such as relative, I^dist or atc.")] = None,
    json: flags.Json = False,
) -> None:
    """Explain a term of howfar's tables, figures and reports; without one, list all terms."""
    from howfar.glossary import explain as find
    from howfar.glossary import glossary, names

    found = [find(" ".join(term))] if term else [*glossary(), *names()]
    if json:
        print_json({"terms": [asdict(each) for each in found]})
        return
    to = console()
    if not term:
        to.print(f"howfar explain TERM explains one of: {', '.join(each.name for each in found)}.")
        return
    for each in found:
        to.print(each.name + (f" ({', '.join(each.also)})" if each.also else ""), style="bold")
        to.print(each.text)
        if each.formula:
            to.print(f"  {each.formula}")
        see = f"See also: {', '.join(each.see)}. " if each.see else ""
        to.print(f"{see}Documentation: docs/{each.page}")
