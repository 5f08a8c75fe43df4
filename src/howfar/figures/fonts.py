"""Make a figure ready to be written: names do no harm in any format, and installed fonts draw what the usual font lacks."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text

from howfar.printable import printable_lines

_MOST: Final = 0x10FFFF


def prepare(figure: Figure) -> None:
    r"""Write out controls in all texts of a figure, and add to each text the fonts that its characters need.

    A control in a text would make an SVG file ill-formed. A character that no installed font draws stays, and is a box in a
    picture of pixels; in SVG the reader's fonts show it.

    Examples
    --------
    >>> figure = Figure()
    >>> text = figure.text(0, 0, "a\x1b.png")
    >>> prepare(figure)
    >>> text.get_text()
    'a\\x1b.png'
    """
    for text in figure.findobj(Text):
        if not isinstance(text, Text):
            continue
        words = text.get_text()
        plain = printable_lines(words)
        if plain != words:
            text.set_text(plain)
        if not plain.isascii():
            _add_fonts(text, plain)


def _add_fonts(text: Text, words: str) -> None:
    properties = text.get_fontproperties()
    own = _characters(font_manager.findfont(properties))
    lacking = sorted({ord(letter) for letter in words} - own - {ord("\n")})
    families = dict.fromkeys(family for code in lacking if (family := _family_with(code)) is not None)
    if families:
        text.set_fontfamily([*properties.get_family(), *families])


@cache
def _family_with(code: int) -> str | None:
    """Return the first family of installed fonts, by name, that draws a character; None where none does."""
    for entry in sorted(font_manager.fontManager.ttflist, key=lambda font: (font.name, font.style != "normal", font.fname)):
        if code in _characters(entry.fname):
            return str(entry.name)
    return None


@cache
def _characters(file: str) -> frozenset[int]:
    """Return the characters that a font's file draws; none of a file that matplotlib cannot read, as of coloured emoji."""
    try:
        font: Any = font_manager.get_font(file)
        return frozenset(code for code in font.get_charmap() if code <= _MOST)
    except (OSError, RuntimeError, ValueError):
        return frozenset()
