from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from PIL import Image

from howfar.errors import InputError
from howfar.figures.pictures import contact_sheet
from howfar.results import Pick, Provenance, Selection


@pytest.fixture
def nine(tmp_path: Path) -> Selection:
    """Nine picks: each a picture of one colour, 60 × 30 or 30 × 60, but for the fifth, whose file is gone."""
    picks = []
    for rank in range(1, 10):
        path = tmp_path / f"image {rank}.png"
        Image.new("RGB", (60, 30) if rank % 2 else (30, 60), (rank * 20, 0, 0)).save(path)
        picks.append(Pick(rank, f"below/image {rank}.png", str(path), rank / 10, "why"))
    Path(picks[4].path).unlink()
    return Selection("roads$x$", "a$b_{$", "far", True, 0, 1200, 0, tuple(picks), Provenance.now())


def axes_of(selection: Selection, **options: int) -> Axes:
    (axes,) = contact_sheet(selection, **options).axes
    return axes


def texts(selection: Selection, **options: int) -> str:
    figure = contact_sheet(selection, **options)
    figure.draw_without_rendering()
    return "\n".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))


def test_seven_a_row_in_the_order_of_choice(nine: Selection) -> None:
    pictures = [image for image in axes_of(nine).images if isinstance(image, AxesImage)]
    assert [image.get_label() for image in pictures] == [pick.image for pick in nine.picks if pick.rank != 5]
    middles = [np.mean(np.reshape(image.get_extent(), (2, 2)), axis=1) for image in pictures]
    places = [(rank - 1) % 7 for rank in (1, 2, 3, 4, 6, 7, 8, 9)]
    np.testing.assert_allclose([middle[0] for middle in middles], [0.5 + 1.12 * place for place in places])
    np.testing.assert_allclose([middle[1] for middle in middles], [0.5] * 6 + [1.92] * 2)
    for image, rank in zip(pictures, (1, 2, 3, 4, 6, 7, 8, 9), strict=True):
        assert np.asarray(image.get_array())[0, 0].tolist() == [rank * 20, 0, 0]
        left, right, bottom, top = image.get_extent()
        assert (right - left) / (bottom - top) == pytest.approx(2.0 if rank % 2 else 0.5)


def test_place_distance_and_name_stand_below(nine: Selection) -> None:
    seen = texts(nine)
    for pick in nine.picks:
        assert f"{pick.rank} · {pick.distance:.2f}" in seen
        assert f"image {pick.rank}.png" in seen
    assert "9 of 1,200 images of a$b_{$, chosen by far" in seen
    assert "scaled distance from roads$x$" in seen


def test_a_file_that_is_gone_is_a_box(nine: Selection) -> None:
    (box,) = [patch for patch in axes_of(nine).patches if isinstance(patch, Rectangle)]
    assert box.get_label() == nine.picks[4].image
    assert box.get_xy() == (pytest.approx(4 * 1.12), 0.0)
    assert "not found" in texts(nine)
    assert "no file" in texts(replace(nine, picks=(replace(nine.picks[0], path=""),)))


def test_it_grows_with_the_picks_and_says_how_many_it_leaves_out(nine: Selection) -> None:
    heights = [contact_sheet(replace(nine, picks=nine.picks[:count])).get_size_inches()[1] for count in (1, 7, 8)]
    assert heights[0] == heights[1] < heights[2]
    assert len(axes_of(nine, limit=2).images) == 2
    assert "The first 2 are shown." in texts(nine, limit=2)
    assert "are shown" not in texts(nine, limit=9)
    with pytest.raises(InputError, match="limit must be at least 1, got 0"):
        contact_sheet(nine, limit=0)


def test_it_renders_and_leaves_settings_alone(nine: Selection) -> None:
    before = dict(matplotlib.rcParams)
    figure = nine.plot.contact_sheet()
    assert dict(matplotlib.rcParams) == before
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=30)
    assert picture.getvalue().startswith(b"\x89PNG")
