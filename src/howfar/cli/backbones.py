"""List the backbones that distances can be measured with (`howfar backbones`)."""

from __future__ import annotations

from dataclasses import asdict

from howfar.cli import options
from howfar.cli.terminal import console, print_json


def backbones(json: options.Json = False) -> None:
    """List the backbones: feature length q, input, weights, licence."""
    from howfar.backbones import cards

    listed = cards()
    if json:
        print_json([asdict(card) for card in listed])
        return
    from rich.table import Table

    table = Table(header_style="bold", box=None, pad_edge=False)
    for name in ("name", "q", "input", "weights", "licence", "what it is"):
        table.add_column(name, justify="right" if name == "q" else "left", overflow="fold")
    for card in listed:
        length = "any" if card.length is None else f"{card.length:,}"
        table.add_row(card.name, length, card.input, card.weights, card.licence, card.summary)
    console().print(table, markup=False)
