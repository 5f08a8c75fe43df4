"""Draw blocks of small pictures under a heading, with a title above and a number below each picture."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.figures import style
from howfar.figures.contact_sheets import NONE, StandInImage, Thumbnail, extent, square

STEP: Final = 1.06
# Heights of a heading, of a line of text, and of the gap below a line of pictures.
_HEADING: Final = 0.24
_TEXT: Final = 0.12
_GAP: Final = 0.12
_SMALL: Final[dict[str, Any]] = {"fontsize": 7.5, "parse_math": False}


class PictureCell(NamedTuple):
    """Hold a picture with its label, the texts above and below, and what is drawn over it, given its corner and size."""

    label: str
    picture: Thumbnail
    above: str = ""
    below: str = ""
    over: Callable[[Axes, tuple[float, float], tuple[float, float]], None] | None = None


class PictureBlock(NamedTuple):
    """Hold an image's lines of pictures and their heading."""

    heading: str
    shown: StandInImage
    lines: Sequence[Sequence[PictureCell]]


Blocks: TypeAlias = Sequence[PictureBlock]


def draw_blocks(blocks: Blocks, fewest: int) -> Figure:
    """Draw blocks below each other, with room for at least `fewest` pictures in a line."""
    across = max(fewest, *(len(line) for block in blocks for line in block.lines))
    height = sum(_HEADING + sum(map(_line_height, block.lines)) for block in blocks)
    figure, axes = style.picture_sheet(across * STEP, height, top=-0.05)
    top = 0.0
    for heading, shown, lines in blocks:
        style.row_title(axes, top + 0.18, heading)
        reason = f"{style.name_text(shown.image.rsplit('/', 1)[-1], 40)} · {shown.reason}"
        axes.text((across - 1) * STEP + 1, top + 0.18, reason, va="bottom", ha="right", color=style.MUTED, **_SMALL)
        top += _HEADING
        for line in lines:
            high, start = _pictures_height(line), top + _texts_height([cell.above for cell in line])
            for position, cell in enumerate(line):
                _cell(axes, cell, f"{shown.dataset}:{cell.label}", position * STEP, start, high)
            top += _line_height(line)
    return figure


def _cell(axes: Axes, cell: PictureCell, label: str, left: float, start: float, high: float) -> None:
    centred: dict[str, Any] = {**_SMALL, "ha": "center", "linespacing": 1.3}
    axes.text(left + 0.5, start - 0.04, cell.above, va="bottom", color=style.INK, **centred)
    axes.text(left + 0.5, start + high + 0.03, cell.below, va="top", color=style.INK, **centred)
    if cell.picture.reason == NONE:
        axes.text(left + 0.5, start + high / 2, NONE, va="center", color=style.MUTED, **centred)
        return
    square(axes, cell.picture, label, left, start + (high - 1) / 2)
    if cell.picture.pixels is not None and cell.over is not None:
        width, height = extent(cell.picture.pixels)
        cell.over(axes, (left + (1 - width) / 2, start + (high - height) / 2), (width, height))


def _pictures_height(line: Sequence[PictureCell]) -> float:
    pictures = [cell.picture for cell in line]
    return max((0.3 if each.reason == NONE else 1.0) if each.pixels is None else extent(each.pixels)[1] for each in pictures)


def _texts_height(texts: Sequence[str]) -> float:
    lines = max(text.count("\n") + 1 if text else 0 for text in texts)
    return _TEXT * lines + 0.05 if lines else 0.0


def _line_height(line: Sequence[PictureCell]) -> float:
    above, below = (_texts_height(texts) for texts in zip(*((cell.above, cell.below) for cell in line), strict=True))
    return above + _pictures_height(line) + below + _GAP
