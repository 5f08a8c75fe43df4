"""Show a run's interactive page as a notebook widget (`Explorer`), with the user's selection available as DataFrames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from howfar.errors import HowfarError, needing
from howfar.explore.image_rows_and_positions import UNKNOWN
from howfar.explore.page_requests import PageParts

PERFORMANCES = ("performance", "estimate", "listed")
"""Columns of the page that stand in the DataFrames beside those of the images' table, where the run's relation knows them."""


class Explorer:
    """Show a run's images in a notebook and hold the user's selection, made by `Comparison.explore`.

    It shows itself where it ends a cell. Every picture is read by the kernel and sent over the notebook's own channel. The
    traits `picked_rows` and `selected_bytes` of the anywidget `widget` follow the page.
    """

    def __init__(self, parts: PageParts, images: pd.DataFrame, bundle: tuple[str, str]) -> None:
        self._parts = parts
        self._table = _table(parts, images)
        with needing("explore() needs anywidget: pip install 'howfar[notebook]'"):
            import anywidget
            import traitlets

        def as_bytes(value: Any, _: Any) -> bytes | None:
            # What comes from the page is a view of the message.
            return None if value is None else bytes(value)

        # The notebook synchronizes the traits with the page.
        traits = {
            "block": traitlets.Bytes().tag(sync=True),
            "picked_rows": traitlets.List(traitlets.Int()).tag(sync=True),
            "selected_bytes": traitlets.Bytes(None, allow_none=True).tag(sync=True, from_json=as_bytes),
        }
        script, style = map(str, bundle)
        made: Any = type("ExplorerWidget", (anywidget.AnyWidget,), {"_esm": script, "_css": style, **traits})
        self.widget = made(block=parts.block("", []))
        self.widget.on_msg(self._answer)

    @property
    def picked(self) -> pd.DataFrame:
        """Return the collected images in collecting order, as rows of the run's `images` with their index."""
        return self._table.iloc[list(self.widget.picked_rows)]

    @property
    def selected(self) -> pd.DataFrame:
        """Return the images that pass all filters, in the run's order; all images before any selection is made."""
        packed = self.widget.selected_bytes
        return self._table if packed is None else self._table.iloc[np.frombuffer(packed, "<u4")]

    def pick(self, rows: Sequence[int]) -> None:
        """Collect images from Python by their positions in the run's `images`, replacing the collected ones."""
        count = self._parts.points.secondary_count
        self.widget.picked_rows = [int(row) for row in rows if 0 <= int(row) < count]

    def observe(self, handler: Callable[[Explorer], None]) -> None:
        """Call a function with this explorer whenever the collected or filtered images change."""
        self.widget.observe(lambda _: handler(self), names=["picked_rows", "selected_bytes"])

    def _answer(self, widget: Any, content: Any, _: Any) -> None:
        """Send what the page asks for by name, all of it or a range; without bytes if it is unavailable."""
        name = content.get("asked") if isinstance(content, dict) else None
        if not isinstance(name, str):
            return
        try:
            found = self._parts.read(name)
        except HowfarError as error:
            widget.send({"asked": name, "error": str(error)})
            return
        if found is None:
            widget.send({"asked": name})
        else:
            given = slice(content.get("from"), content.get("to"))
            widget.send({"asked": name, "type": found.type}, buffers=[found.data[given]])

    def _repr_mimebundle_(self, **given: Any) -> Any:
        return self.widget._repr_mimebundle_(**given)

    def __repr__(self) -> str:
        return f"Explorer of {self._parts.points.secondary_count:,} images: {len(self.widget.picked_rows):,} collected"


def _table(parts: PageParts, images: pd.DataFrame) -> pd.DataFrame:
    columns = {column.name: column for column in parts.points.columns if column.name in PERFORMANCES}
    found = {name: column.values[: len(images)] for name, column in columns.items() if name not in images}
    flags = {
        name: pd.Series(values == 1, index=images.index, dtype="boolean").mask(values == UNKNOWN)
        for name, values in found.items()
        if columns[name].kind == "flag"
    }
    return images.assign(**(found | flags))
