"""Write figures as files and as parts of a page: SVG in the page's colours, which loads nothing from elsewhere."""

from __future__ import annotations

import base64
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howfar.figures.fonts import prepare
from howfar.figures.style import GRID, INK, MUTED, PAPER
from howfar.io.atomic import replace, replace_text
from howfar.results.run_files import MARK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 150
QUALITY = 85
COMPRESSION = 1
"""Of a .png, 0-9: at 6, which is usual, the files are 6 % smaller and packing them takes more than twice as long."""
# Colours of the page's style sheet, which change in the dark; a dataset's own colour stays.
PAGE_COLOURS = {INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--grid)", PAPER: "var(--paper)"}
_PICTURE = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)")
_HEAD = re.compile(r"^.*?(?=<svg\b)", re.DOTALL)
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_OPENING = re.compile(r"<svg\b[^>]*>")
# matplotlib's identifier of a picture is a hash of it, the same for two equal pictures; nothing refers to it.
_PICTURE_ID = re.compile(r'(<image\b[^>]*?) id="[^"]*"')
_VIEW_BOX = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')


@dataclass(frozen=True)
class Embedded:
    """Hold a figure that is ready to be put into a page: its SVG and its width in points."""

    name: str
    svg: str
    width: float


def embed(figure: Figure, name: str, folder: Path, vector: bool = True, run: str = "") -> Embedded:
    """Write ``<name>.png`` (and ``.svg``) into `folder`, each whole or not at all, and return the figure as SVG for a page.

    The name also begins every identifier inside the SVG, so that several fit one page. Without `vector` there is no .svg file,
    as for a figure of photographs. `run` is the id of the run that the figure shows, which its files carry.
    """
    buffer = io.StringIO()
    marked: dict[str, Any] = {MARK: run} if run else {}
    described = {**dict.fromkeys(("Creator", "Date", "Format", "Type")), **({"Identifier": f"{MARK} {run}"} if run else {})}
    with saving(name):
        prepare(figure)
        lay_out(figure)
        options: dict[str, Any] = {"dpi": DPI, "metadata": marked, "pil_kwargs": {"compress_level": COMPRESSION}}
        replace(folder / f"{name}.png", partial(figure.savefig, format="png", **options))
        figure.savefig(buffer, format="svg", dpi=DPI, metadata=described)
    text = buffer.getvalue()
    if vector:
        replace_text(folder / f"{name}.svg", text)
    return _for_page(text, name)


def save(figure: Figure, path: Path, kind: str, dpi: int = DPI, metadata: Any = None) -> None:
    """Write a figure to one file of the format `kind`, as `saving` says."""
    with saving(kind):
        prepare(figure)
        figure.savefig(path, format=kind, dpi=dpi, metadata=metadata)


def lay_out(figure: Figure) -> None:
    """Lay a figure out once for all files: `savefig` would do so for each, and draws once more to see where things lie."""
    figure.set_dpi(DPI)
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine(None)


@contextmanager
def saving(name: str) -> Iterator[None]:
    """Keep text as text, each picture by itself and identifiers the same from run to run; make no remark on rare characters.

    A character that no installed font of matplotlib's knows is a box in the .png; in the .svg and on the page the reader's
    fonts show it.
    """
    import matplotlib

    chosen: Any = {"svg.fonttype": "none", "svg.hashsalt": name, "image.composite_image": False}
    with matplotlib.rc_context(chosen), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        yield


def _for_page(text: str, name: str) -> Embedded:
    text = _METADATA.sub("", _HEAD.sub("", text))
    box = _VIEW_BOX.search(text)
    width, height = (float(box[1]), float(box[2])) if box else (0.0, 0.0)
    text = _OPENING.sub(f'<svg viewBox="0 0 {width:g} {height:g}" aria-hidden="true" focusable="false">', text, count=1)
    for colour, variable in PAGE_COLOURS.items():
        text = text.replace(colour, variable)
    text = _PICTURE_ID.sub(r"\1", text)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", text)
    text = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{name}-\1"', text)
    text = _PICTURE.sub(_lighter, text).replace("xlink:href", "href")
    return Embedded(name, text.strip(), width)


def _lighter(picture: re.Match[str]) -> str:
    """Turn an opaque picture into JPEG, a sixth of the size; leave one with transparency."""
    from PIL import Image

    image: Any = Image.open(io.BytesIO(base64.b64decode(picture[1])))
    if image.mode == "RGBA" and image.getchannel("A").getextrema() != (255, 255):
        return "data:image/png;base64," + re.sub(r"\s", "", picture[1])
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
