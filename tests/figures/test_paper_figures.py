"""Figures of the paper's studies: dots, lines and pictures are the tables' numbers, and what is missing is not drawn."""

from __future__ import annotations

from dataclasses import replace

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from believable_identity import make as make_identity
from believable_pool import make as make_pool
from howfar.paper.adapted_models_report import performance_slopes
from howfar.paper.identity_report import OTHER, OWN, identity_pictures, identity_violins, primary_set
from howfar.paper.pool_report import precision_recall_plane
from howfar.results.distance_studies import Identity
from howfar.results.segmenter_studies import PerformanceByDistance
from results.test_conformance import sample_of

MODELS = ("M", "far-1", "far-7", "random-7", "far-7-B3")


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    """Two persons of nine images a light."""
    return make_identity(tmp_path_factory.mktemp("people"), views=9)


def texts(figure: Figure) -> str:
    figure.draw_without_rendering()
    return "\n".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))


def test_an_image_that_is_gone_is_a_labelled_box(identity: Identity) -> None:
    gone = identity.pictures.assign(path="/not/there.png")
    figure = identity_pictures(replace(identity, pictures=gone))
    assert not figure.axes[0].images
    assert texts(figure).count("not found") == len(gone)


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


def lines(axes: Axes, label: str) -> list[Line2D]:
    return [one for one in axes.get_lines() if one.get_label() == label]


def test_along_a_grey_curve_f_is_the_same() -> None:
    left, _ = precision_recall_plane(make_pool()).axes
    for curve, f in zip(lines(left, "_f"), (0.2, 0.4, 0.6, 0.8), strict=True):
        recall, precision = np.asarray(curve.get_xdata()), np.asarray(curve.get_ydata())
        assert np.allclose(2 * precision * recall / (precision + recall), f)


def test_what_has_no_precision_has_no_dot() -> None:
    pool = make_pool()
    pool.scores.loc[pool.scores["model"] == "adsam", "precision"] = np.nan
    assert not lines(precision_recall_plane(pool).axes[0], "adsam:site")


def made(secondaries: tuple[str, ...] = ("site", "walls")) -> PerformanceByDistance:
    datasets = [*(["all"] if len(secondaries) > 1 else []), *secondaries]
    rows = []
    for name in ("net", "wide"):
        for place, model in enumerate(MODELS):
            for k, dataset in enumerate(datasets):
                for measure, more in (("f_ods", 0.0), ("f", 0.05)):
                    slope = -0.5 + 0.1 * place + 0.02 * k + more
                    own = {"segmenter": name, "model": model, "dataset": dataset, "measure": measure, "slope": slope}
                    rows.append({**own, "low": slope - 0.1, "high": slope + 0.1})
    told = {"of": "adaptation", "primary": "roads", "adapted": "far-7", "segmenters": ("net", "wide"), "seeds": (0, 1)}
    return sample_of(PerformanceByDistance, secondaries=secondaries, flat=0.15, slopes=pd.DataFrame(rows), **told)


def test_a_single_secondary_is_the_dot() -> None:
    (axes,) = performance_slopes(replace(made(("site",)), segmenters=("net",))).axes
    assert lines(axes, "slope:M")[0].get_xdata() == pytest.approx([-0.5])
    assert not lines(axes, "site:M")
