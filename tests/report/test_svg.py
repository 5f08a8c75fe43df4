import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from howfar.figures.style import GRID, INK, MUTED, PAPER, drawing
from howfar.report.report_figures import DPI, embed


def draw(pixels: np.ndarray | None = None) -> Figure:
    with drawing():
        figure = Figure(figsize=(4, 3))
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color="#0072b2")
        axes.set_title("words <&>")
        if pixels is not None:
            axes.imshow(pixels, extent=(0, 1, 0, 1))
    return figure


def test_writes_files_and_returns_a_fragment_for_light_and_dark_pages(tmp_path: Path) -> None:
    found = embed(draw(np.zeros((4, 4, 3), dtype=np.uint8)), "one", tmp_path)
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "one.svg").read_text().startswith("<?xml")
    assert found.svg.startswith("<svg ")
    assert found.svg.endswith("</svg>")
    assert found.width == pytest.approx(4 * 72)
    # Colours of the page are variables; those of data stay.
    for part in ("words &lt;&amp;&gt;", "var(--ink)", "var(--paper)", "#0072b2"):
        assert part in found.svg
    for part in (INK, MUTED, GRID, PAPER, "http", "<metadata", "<!DOCTYPE"):
        assert part not in found.svg
    assert embed(draw(np.zeros((4, 4, 3), dtype=np.uint8)), "one", tmp_path).svg == found.svg
    embed(draw(), "two", tmp_path, vector=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.png", "one.svg", "two.png"]


def test_it_is_laid_out_as_matplotlib_would(tmp_path: Path) -> None:
    def roomy() -> Figure:
        figure = draw()
        figure.set_layout_engine("constrained")
        figure.axes[0].set_ylabel("a label\nof two lines")
        return figure

    embed(roomy(), "one", tmp_path)
    roomy().savefig(tmp_path / "plain.png", dpi=DPI)
    one, plain = (np.asarray(Image.open(tmp_path / f"{name}.png").convert("RGB")) for name in ("one", "plain"))
    np.testing.assert_array_equal(one, plain)


def test_identifiers_are_the_figures_own(tmp_path: Path) -> None:
    one, two = (embed(draw(), name, tmp_path).svg for name in ("one", "two"))
    found = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in (one, two)]
    assert found[0]
    assert not found[0] & found[1]
    used = set(re.findall(r'(?:url\(|href=")#([^)"]+)', one))
    assert used
    assert used <= found[0]


def test_opaque_pictures_become_jpeg_and_others_stay(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (40, 40, 4), dtype=np.uint8)
    assert "data:image/png;base64," in embed(draw(noise), "one", tmp_path).svg
    noise[..., 3] = 255
    assert "data:image/jpeg;base64," in embed(draw(noise), "one", tmp_path).svg


def test_a_figure_that_is_cut_short_leaves_the_old_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embed(draw(), "one", tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert before.keys() == {"one.png", "one.svg"}

    def cut(self: Figure, path: Path, **_: object) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(Figure, "savefig", cut)
    with pytest.raises(KeyboardInterrupt):
        embed(draw(), "one", tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
