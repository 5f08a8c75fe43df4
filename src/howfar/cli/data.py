"""Say where the paper's datasets are had, and check a folder against one of them (`howfar data`)."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from howfar.cli import options
from howfar.cli.terminal import console, print_json

if TYPE_CHECKING:
    from howfar.data.catalogue import CatalogueEntry
    from howfar.data.catalogue_check import FolderCheck

_NAME = "A dataset of the paper; without it all are listed."
_WIDE = 160
_FOLDER = "Check this folder, or any other dataset of images, against NAME."


def data(
    name: Annotated[str | None, typer.Argument(help=_NAME)] = None,
    folder: Annotated[str | None, typer.Argument(help=_FOLDER)] = None,
    json: options.Json = False,
) -> None:
    """Say where the paper's datasets are had and under which terms, or check FOLDER against NAME.

    Exit code 0 where the folder agrees with the paper, 1 where it does not.
    """
    from howfar.data.catalogue import catalogue, entry
    from howfar.data.catalogue_check import check_folder

    if name is None:
        _list(catalogue(), json)
    elif folder is None:
        _describe(entry(name), json)
    else:
        check = check_folder(name, folder)
        _report(check, json)
        if not check.agrees:
            raise typer.Exit(1)


def _list(entries: tuple[CatalogueEntry, ...], json: bool) -> None:
    if json:
        print_json([asdict(entry) for entry in entries])
        return
    from rich.table import Table

    to = console()
    columns = ("name", "symbol", "images", "pixels", "masks", "terms", *(("where",) if to.width >= _WIDE else ()))
    table = Table(header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column == "images" else "left", overflow="fold")
    for entry in entries:
        images = "" if entry.images is None else f"{entry.images:,}"
        row = (entry.name, entry.symbol, images, entry.pixels, entry.masks, entry.terms, entry.where[0])
        table.add_row(*row[: len(columns)])
    to.print(table, markup=False)
    to.print("howfar data NAME says where it is had and whom to cite; howfar data NAME FOLDER checks a folder", markup=False)


def _describe(entry: CatalogueEntry, json: bool) -> None:
    if json:
        print_json(asdict(entry))
        return
    to = console()
    for label, text in _lines(entry):
        if text:
            to.print(f"{label}: {text}", markup=False, soft_wrap=True)


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


def _report(check: FolderCheck, json: bool) -> None:
    if json:
        print_json({**asdict(check), "agrees": check.agrees})
        return
    to = console()
    for finding in check.findings:
        to.print(f"{'right' if finding.agrees else 'off'}: {finding.text}", markup=False, soft_wrap=True)
