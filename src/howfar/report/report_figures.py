"""Draw a report's figures, save them as files, and embed them in the HTML page as SVG."""

from __future__ import annotations

import base64
import inspect
import io
import json
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howfar import registry
from howfar.errors import StoreError
from howfar.figures import Caption, registration
from howfar.figures.style import GRID, INK, MUTED, PAPER, for_phone, prepare, wrapped
from howfar.io.atomic_writes import replace, replace_text, staging
from howfar.io.file_location import absolute
from howfar.io.file_locks import locked
from howfar.results.checksums_and_overwrite_guard import MARK, PICTURES, RUN
from howfar.results.result import Result

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
    """Hold a figure as SVG for a page, and its width in points."""

    name: str
    svg: str
    width: float


def embed(figure: Figure, name: str, folder: Path, vector: bool = True, run: str = "") -> Embedded:
    """Write ``<name>.png`` (and ``.svg``) into `folder` atomically, and return the figure as SVG for a page.

    The name also begins every identifier inside the SVG, so that several fit one page. Without `vector` there is no .svg file.
    The files carry `run`, the id of the run that the figure shows.
    """
    marked: dict[str, Any] = {MARK: run} if run else {}
    with saving(name):
        _lay_out(figure)
        options: dict[str, Any] = {"dpi": DPI, "metadata": marked, "pil_kwargs": {"compress_level": COMPRESSION}}
        replace(folder / f"{name}.png", partial(figure.savefig, format="png", **options))
    text = _svg(figure, name, run)
    if vector:
        replace_text(folder / f"{name}.svg", text)
    return _for_page(text, name)


def _lay_out(figure: Figure) -> None:
    """Lay a figure out once, as `savefig` would repeat it for each file and draw again."""
    prepare(figure)
    figure.set_dpi(DPI)
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine(None)


def _svg(figure: Figure, name: str, run: str = "") -> str:
    buffer = io.StringIO()
    described = {**dict.fromkeys(("Creator", "Date", "Format", "Type")), **({"Identifier": f"{MARK} {run}"} if run else {})}
    with saving(name):
        figure.savefig(buffer, format="svg", dpi=DPI, metadata=described)
    return buffer.getvalue()


def embed_for_phone(draw: Callable[[], Figure], name: str) -> Embedded | None:
    """Draw a figure for a phone, and return it as SVG for a page; None if its words leave no room there for its axes."""
    with for_phone(), saving(name):
        figure = draw()
        for axes in figure.axes:
            axes.set_xlabel(wrapped(axes.get_xlabel()))
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "constrained_layout not applied")
            try:
                _lay_out(figure)
            except UserWarning:
                return None
    return _for_page(_svg(figure, name), name)


def save(figure: Figure, path: Path, kind: str, dpi: int = DPI, metadata: Any = None) -> None:
    """Write a figure to a file of the format `kind`, with the settings of `saving`."""
    with saving(kind):
        prepare(figure)
        figure.savefig(path, format=kind, dpi=dpi, metadata=metadata)


@contextmanager
def saving(name: str) -> Iterator[None]:
    """Keep text as text, pictures separate and identifiers reproducible, without warnings on missing glyphs.

    A character that no installed font knows is a box in the .png; elsewhere the reader's fonts show it.
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
    """Convert an opaque picture to JPEG, a sixth of the size; keep a picture with transparency."""
    from PIL import Image

    image: Any = Image.open(io.BytesIO(base64.b64decode(picture[1])))
    if image.mode == "RGBA" and image.getchannel("A").getextrema() != (255, 255):
        return "data:image/png;base64," + re.sub(r"\s", "", picture[1])
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


@dataclass(frozen=True)
class PageFigure:
    """Hold a figure for a page with its caption, and as it is drawn for a phone, if it is."""

    embedded: Embedded
    caption: Caption
    phone: Embedded | None = None


@dataclass(frozen=True)
class Figures:
    """Hold a page's figures by name, notes on other packages' figures that failed, and results' ids by document name."""

    drawn: dict[str, PageFigure]
    notes: list[str]
    runs: Mapping[str, str] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)

    def take(self, name: str) -> PageFigure | None:
        """Return a figure for its place on the page; None for an unknown name."""
        self._taken.add(name)
        return self.drawn.get(name)

    def rest(self) -> list[PageFigure]:
        """Return the figures that no section took, for the end of the page."""
        return [drawn for name, drawn in self.drawn.items() if name not in self._taken]


def draw_figures(results: Mapping[str, Any], folder: str | Path, prefix: str = "") -> Figures:
    """Draw every registered figure with content, and write ``figures/<name>.png`` (and ``.svg``) into a folder.

    `results` has a result for each kind of figure ("figures", "relation_figures" …); of a kind with None the files of an
    earlier report are removed. A figure of another package that raises is left out with a note. `prefix` is left out of names.
    """
    root = absolute(folder)
    pictures = root / PICTURES
    pictures.mkdir(parents=True, exist_ok=True)
    page, names = Figures({}, [], runs_of(*results.values())), list[str]()
    every = [(kind, registered_name) for kind in results for registered_name in registry.ordered(kind)]
    with staging(root) as beside:
        for kind, registered_name in every:
            result, name = results[kind], re.sub(r"[^\w-]", "_", registered_name.removeprefix(prefix))
            if name in page.drawn and not registry.is_ours(kind, registered_name):
                page.notes.append(f"The figure {registered_name} was left out: another has its name.")
                continue
            names.append(name)
            if result is None:
                continue
            # What the disk refuses is no fault of a figure.
            with tolerated(kind, registered_name, page.notes, f"The figure {registered_name} could not be drawn", OSError):
                draw = registry.load(kind, registered_name)
                words = registration(registered_name, draw)
                if not words.shows(result):
                    continue
                draw = partial(draw, result, **({"folder": root} if "folder" in inspect.signature(draw).parameters else {}))
                embedded = embed(draw(), name, beside, words.has_vectors(result), getattr(result, "run_id", ""))
                phone = embed_for_phone(draw, f"{name}-phone") if words.phone else None
                page.drawn[name] = PageFigure(embedded, words.caption(result), phone)
        with locked(root):
            check_unchanged(root, page.runs)
            for file in (f"{name}.{ending}" for name in names for ending in ("png", "svg")):
                if (beside / file).is_file():
                    (beside / file).replace(pictures / file)
                else:
                    (pictures / file).unlink(missing_ok=True)
    return page


@contextmanager
def tolerated(kind: str, name: str, notes: list[str], said: str, *errors: type[Exception]) -> Iterator[None]:
    """Convert an error of another package's object to a note; raise errors of howfar's own objects, and of the given types."""
    try:
        yield
    except Exception as error:
        if registry.is_ours(kind, name) or isinstance(error, errors):
            raise
        notes.append(f"{said} ({type(error).__name__}: {error}).")


def runs_of(*results: Any) -> dict[str, str]:
    """Return results' ids by document name; None and other packages' objects are left out."""
    return {result.DOCUMENT: result.run_id for result in results if isinstance(result, Result)}


def check_unchanged(root: Path, runs: Mapping[str, str]) -> None:
    """Check that a folder's documents are still those that a page or figures show.

    Raises `StoreError` where another run was written there meanwhile, so that no page of one run stands beside the other.
    """
    for name, run in runs.items():
        with suppress(OSError, ValueError, AttributeError, RecursionError):
            there = json.loads((root / name).read_bytes()).get(RUN, run)
            if there != run:
                raise StoreError(f"{root}: another run was written there meanwhile: run howfar report {root} for its report")
