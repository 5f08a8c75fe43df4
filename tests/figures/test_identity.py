"""Figures 30 to 32: the persons, their distances from one person under one value, and what blur changes."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from believable_identity import make
from howfar.errors import InputError
from howfar.paper.identity_report import OTHER, OWN, identity_before_after, identity_pictures, identity_violins, primary_set
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


def test_each_person_has_a_row_of_images_with_their_values(identity: Identity) -> None:
    figure = identity_pictures(identity)
    seen = texts(figure)
    assert "person 1\n" in seen
    assert "person 2\n" in seen
    assert len(figure.axes[0].images) == sum(Path(path).exists() for path in identity.pictures["path"])
    for text in identity.pictures["text"]:
        assert text in seen


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


def test_dots_are_the_o_dist_of_the_table_and_the_line_is_at_the_farthest_own(identity: Identity) -> None:
    axes = identity_violins(identity, "pixels", "blur").axes[1]
    dots = {str(line.get_label()).removeprefix("mean:"): float(np.ravel(line.get_ydata())[0]) for line in axes.lines}
    rows = identity.named("pixels", "blur", "light", "distances")
    rows = rows[(rows["reference_person"] == "1") & (rows["reference_value"] == "1")]
    for row in rows.to_dict("records"):
        assert dots[f"{row['person']} {row['value']}"] == pytest.approx(row["o_dist_mean"])
    own = rows["o_dist_mean"][rows["person"] == "1"].max()
    assert any(np.allclose(line.get_ydata(), own) and len(line.get_ydata()) == 2 for line in axes.lines)


def test_a_panel_says_what_share_of_the_pairs_from_its_primary_set_is_violated(identity: Identity) -> None:
    share = identity.named("pixels", "none", "view", "references")["violated"].iloc[0]
    assert f"P: person 1, view 1; {100 * share:.0f} % of pairs violated" in texts(identity_violins(identity, "pixels"))


def test_before_and_after_stand_side_by_side(identity: Identity) -> None:
    figure = identity_before_after(identity, "lite0", "blur")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["view, as they are", "view, with blur", "light, as they are", "light, with blur"]


def test_sets_of_one_image_are_dots_and_many_persons_leave_their_names_out(faces: Identity) -> None:
    figure = identity_violins(faces, "lite0")
    (axes,) = figure.axes
    assert not [shape for shape in axes.collections if isinstance(shape, PolyCollection)]
    seen = texts(figure)
    assert "a$b_{$" in seen
    assert "person7" not in seen
    assert not any("mean:" in str(line.get_label()) for line in axes.lines)


def test_settings_stay_as_they_are(identity: Identity) -> None:
    before = dict(matplotlib.rcParams)
    picture = BytesIO()
    identity_before_after(identity, "lite0", "blur").savefig(picture, format="png", dpi=30)
    assert dict(matplotlib.rcParams) == before
    assert picture.getvalue().startswith(b"\x89PNG")
