"""Figures 30 to 32: the persons, their distances from one person under one value, and what blur changes."""

from __future__ import annotations

from dataclasses import replace

import matplotlib
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from believable_identity import make
from howfar.errors import InputError
from howfar.paper.identity_report import OTHER, OWN, identity_pictures, identity_violins, primary_set
from howfar.results.distance_studies import Identity


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    """Two persons of nine images a light."""
    return make(tmp_path_factory.mktemp("people"), views=9)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    """Sixteen persons with a picture a view, one of them called in dollars."""
    names = ("a$b_{$", *(f"person{number}" for number in range(15)))
    return make(tmp_path_factory.mktemp("faces"), persons=names, single=True)


def texts(figure: Figure) -> str:
    figure.draw_without_rendering()
    return "\n".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))


def test_an_image_that_is_gone_is_a_labelled_box(identity: Identity) -> None:
    gone = identity.pictures.assign(path="/not/there.png")
    figure = identity_pictures(replace(identity, pictures=gone))
    assert not figure.axes[0].images
    assert texts(figure).count("not found") == len(gone)


def test_more_persons_than_the_limit_are_counted(faces: Identity) -> None:
    assert "The first 6 of 16 persons are shown." in texts(identity_pictures(faces))
    assert "person14" not in texts(identity_pictures(faces))
    with pytest.raises(InputError, match="limit must be at least 1, got 0"):
        identity_pictures(faces, limit=0)


def test_a_violin_spans_its_images_in_the_colour_of_who_is_seen(identity: Identity) -> None:
    figure = identity_violins(identity, "lite0")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["view", "light"]
    light = figure.axes[1]
    shapes = {str(shape.get_label()): shape for shape in light.collections if isinstance(shape, PolyCollection)}
    images = identity.named("lite0", "none", "light")
    assert len(shapes) == 2 * 3 - 1
    for (person, value), values in images.groupby(["person", "value"])["i_dist_mean"]:
        shape = shapes[f"{person} {value}"]
        heights = shape.get_paths()[0].vertices[:, 1]
        assert (heights.min(), heights.max()) == pytest.approx((values.min(), values.max()))
        assert to_hex(shape.get_facecolor()[0]) == (OWN if person == "1" else OTHER)
    assert primary_set(identity, "light") == ("1", "1")
