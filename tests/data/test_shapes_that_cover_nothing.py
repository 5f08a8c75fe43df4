"""A shape that covers no pixel is refused, since an image with it would count as one with nothing there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.path import Path as MplPath

from howfar.data.label_exports import coco_shape, polygon, read_coco, read_label_studio, rectangle
from howfar.data.masks import from_brush
from howfar.errors import InputError


@pytest.mark.parametrize("sides", [(5.0, 1.0, 2.0, 4.0), (1.0, 6.0, 4.0, 2.0), (20.0, 1.0, 30.0, 4.0), (1.1, 1.1, 1.2, 1.2)])
def test_a_box_must_cover_a_pixel(sides: tuple[float, float, float, float]) -> None:
    with pytest.raises(InputError, match="box must cover a pixel of its image of 12 × 8"):
        rectangle(sides, 8, 12, 0, sides[:2])


def test_a_polygon_outside_is_refused_and_one_that_touches_is_not() -> None:
    with pytest.raises(InputError, match="polygon must cover a pixel"):
        polygon([(20, 20), (30, 20), (30, 30)], 8, 12)
    assert polygon([(0, 0), (3, 0), (3, 3)], 8, 12).any()


def test_a_polygon_is_the_pixels_whose_centres_lie_inside() -> None:
    rng = np.random.default_rng(0)
    y, x = (axis + 0.5 for axis in np.mgrid[:30, :40])
    for _ in range(20):
        corners = rng.uniform(0, (40, 30), (3, 2))
        found = polygon([(a, b) for a, b in corners.tolist()], 30, 40)
        wanted = MplPath(corners).contains_points(np.stack([x, y], -1).reshape(-1, 2)).reshape(30, 40)
        assert (found == wanted).all()
    # Crossing itself, as a five-pointed star does, leaves its middle out.
    angles = np.pi * (0.5 + 0.8 * np.arange(5))
    star = [(20 + 14 * np.cos(angle), 15 + 14 * np.sin(angle)) for angle in angles]
    assert not polygon(star, 30, 40)[15, 20]
    assert polygon(star, 30, 40)[26, 20]
    # A sliver that holds no centre is its outline.
    assert polygon([(2.6, 1), (2.9, 1), (2.9, 6), (2.6, 6)], 8, 12)[1:6, 2].all()


def test_a_polygon_of_coco_must_cover_a_pixel() -> None:
    with pytest.raises(InputError, match="polygon must cover a pixel"):
        coco_shape([[1.1, 1.1, 1.3, 1.1, 1.2, 1.3]], 8, 12)
    assert not coco_shape([], 8, 12).any()


def test_a_brush_of_another_size_is_refused_before_its_bits_are_read() -> None:
    with pytest.raises(InputError, match="0 pixels, and the image has 3072"):
        from_brush([0] * 2_000_000, 48, 64)
    long = [*int.to_bytes(4 * 48 * 64, 4, "big"), *([0] * 200_000)]
    with pytest.raises(InputError, match="are more than any brush of 3072 pixels takes"):
        from_brush(long, 48, 64)


def rectangle_result(x: Any, width: int) -> list[dict[str, Any]]:
    value = {"x": x, "y": 1, "width": 10, "height": 10, "rectanglelabels": ["crack"]}
    result = {"original_width": width, "original_height": 8, "type": "rectanglelabels", "value": value}
    return [{"data": {"image": "1.png"}, "annotations": [{"result": [result]}]}]


@pytest.mark.parametrize("x", ["a", [0], True, None])
def test_a_side_that_is_no_number_is_refused_and_not_repeated(x: Any) -> None:
    with pytest.raises(InputError, match="side of a rectangle must be a number"):
        read_label_studio(rectangle_result(x, 3_000_000_000))


def test_two_categories_of_one_id_are_refused() -> None:
    categories = [{"id": 1, "name": "crack"}, {"id": 1, "name": "seam"}]
    with pytest.raises(InputError, match="two of its categories have the id 1"):
        read_coco({"images": [], "categories": categories, "annotations": []})


def test_a_box_that_covers_one_is_as_before() -> None:
    assert np.argwhere(rectangle((1.0, 2.0, 3.0, 4.0), 8, 12, 0, (1.0, 2.0))).tolist() == [[2, 1], [2, 2], [3, 1], [3, 2]]
