"""Looks and names in figures: colours stand out, formats stay well formed, and fonts draw what the usual one lacks."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from matplotlib.figure import Figure

from howfar.figures import style
from howfar.figures.style import PAPER, look
from howfar.report.report_figures import save

ROAD = "\u9053"
"""A character that matplotlib's own fonts lack."""


@pytest.fixture
def road_font(tmp_path: Path) -> Iterator[str]:
    """Install a font of one character, and take it away again."""
    builder = FontBuilder(1000, isTTF=True)
    pen = TTGlyphPen(None)
    for corner, move in enumerate([(0, 0), (0, 800), (800, 800), (800, 0)]):
        (pen.lineTo if corner else pen.moveTo)(move)
    pen.closePath()
    builder.setupGlyphOrder([".notdef", "road"])
    builder.setupCharacterMap({ord(ROAD): "road"})
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "road": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (900, 0), "road": (900, 0)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "AAA Road", "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=800, sTypoDescender=-200, usWinAscent=800, usWinDescent=200)
    builder.setupPost()
    builder.save(tmp_path / "road.ttf")
    before = list(font_manager.fontManager.ttflist)
    font_manager.fontManager.addfont(str(tmp_path / "road.ttf"))
    style._family_with.cache_clear()
    yield "AAA Road"
    font_manager.fontManager.ttflist[:] = before
    style._family_with.cache_clear()


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_names_with_controls_are_drawn_without_a_word(tmp_path: Path, kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    figure = Figure()
    figure.suptitle(f"a\x1b[31m\x00\x85 {ROAD}🛣\nsecond line")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save(figure, tmp_path / f"a.{kind}", kind)
    assert capfd.readouterr().err == ""
    if kind == "svg":
        text = "".join(ElementTree.parse(tmp_path / "a.svg").getroot().itertext())
        assert r"a\x1b[31m\x00\x85" in text
        assert ROAD in text
        assert "🛣" in text


def test_an_installed_font_draws_what_the_usual_one_lacks(road_font: str, tmp_path: Path) -> None:
    figure = Figure()
    text = figure.text(0.1, 0.1, f"{ROAD} 1")
    usual = list(text.get_fontfamily())
    save(figure, tmp_path / "a.png", "png")
    assert text.get_fontfamily() == [*usual, road_font]


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colour", [look(index).colour for index in range(24)])
@pytest.mark.parametrize("paper", [PAPER, "#14181d"])
def test_dataset_colours_stand_out_on_light_and_dark_pages(colour: str, paper: str) -> None:
    low, high = sorted([luminance(colour), luminance(paper)])
    assert (high + 0.05) / (low + 0.05) > 2.2
