from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from howfar.errors import InputError
from howfar.figures.adaptation_scores import adaptation_curves, averaged
from howfar.relation.performance_by_distance import moving_average
from howfar.results.adaptation import Adaptation


def panel(figure: Figure, name: str) -> Axes:
    return next(axes for axes in figure.axes if axes.get_title("left") == name)


def lines(axes: Axes) -> dict[str, np.ndarray]:
    return {str(line.get_label()): np.asarray(line.get_xydata()) for line in axes.get_lines()}


def test_a_line_is_the_moving_average_of_means_over_the_shared_seeds(study: Adaptation) -> None:
    rows = study.images[(study.images["dataset"] == "roads") & (study.images["model"] == "far-3")]
    assert set(rows["seed"]) == {0, 1, 2}
    means = rows.groupby("image")[["distance", "f_ods"]].mean().sort_values("distance")
    found = lines(panel(adaptation_curves(study), "roads"))
    np.testing.assert_allclose(found["far-3"][:, 0], means["distance"])
    np.testing.assert_allclose(found["far-3"][:, 1], moving_average(means["f_ods"], 3))
    # M has a fourth seed, which the others lack.
    base = study.images[(study.images["dataset"] == "roads") & (study.images["model"] == "M") & (study.images["seed"] < 3)]
    base = base.groupby("image")[["distance", "f_ods"]].mean().sort_values("distance")
    np.testing.assert_allclose(found["M"][:, 1], moving_average(base["f_ods"], 3))


def test_faint_marks_are_the_images(study: Adaptation) -> None:
    axes = panel(adaptation_curves(study), "walls")
    rows = study.images[(study.images["dataset"] == "walls") & (study.images["model"] == "far-7")]
    means = rows.groupby("image")[["distance", "f_ods"]].mean().sort_values("distance")
    (marks,) = [one for one in axes.collections if isinstance(one, PathCollection) and one.get_label() == "images:far-7"]
    np.testing.assert_allclose(np.asarray(marks.get_offsets()), means)


def test_f_at_the_models_own_threshold_is_an_option(study: Adaptation) -> None:
    rows = study.images[(study.images["dataset"] == "roads") & (study.images["model"] == "far-3")]
    means = rows.groupby("image")[["distance", "f"]].mean().sort_values("distance")
    figure = adaptation_curves(study, measure="f")
    np.testing.assert_allclose(lines(panel(figure, "roads"))["far-3"][:, 1], moving_average(means["f"], 3))
    assert "F at the model's own threshold" in [text.get_text() for text in figure.texts]
    paper = adaptation_curves(study)
    assert "F at the dataset's best threshold" in [text.get_text() for text in paper.texts]


def test_a_study_of_an_earlier_version_shows_the_f_that_it_has(study: Adaptation) -> None:
    old = replace(study, images=study.images.drop(columns="f_ods"))
    found, own = (lines(panel(adaptation_curves(old, measure=measure), "roads"))["M"] for measure in (None, "f"))
    np.testing.assert_array_equal(found, own)
    with pytest.raises(InputError, match=r"an earlier version did not write.*run howfar adapt in the study's folder again"):
        adaptation_curves(old, measure="f_ods")


def test_models_of_one_strategy_are_shown(study: Adaptation) -> None:
    figure = adaptation_curves(study)
    assert [axes.get_title("left")[:5] for axes in figure.axes] == ["roads", "decks", "a <b>", "walls"]
    assert list(lines(panel(figure, "roads"))) == ["M", "far-1", "far-3", "far-7"]
    chosen = lines(panel(adaptation_curves(study, strategy="random"), "roads"))
    assert list(chosen) == ["M", "random-1", "random-3", "random-7"]


def test_with_and_without_background(study: Adaptation) -> None:
    found = lines(panel(adaptation_curves(study, background=True), "roads"))
    assert list(found) == ["far-7", "far-7-B3", "far-7-B7"]


def test_says_whose_means_it_shows(study: Adaptation) -> None:
    def title(adaptation: Adaptation) -> str:
        found = adaptation_curves(adaptation).get_suptitle()
        assert found is not None
        return found

    assert "images chosen by far; means over 3 seeds." in title(study)
    one = replace(study, models=study.models[study.models["seed"] == 1])
    assert "images chosen by far; one seed." in title(one)


def test_a_set_without_f_says_so(study: Adaptation) -> None:
    other = study.images["dataset"] != "roads"
    bare = replace(study, images=study.images.assign(**{name: study.images[name].where(other) for name in ("f", "f_ods")}))
    axes = panel(adaptation_curves(bare), "roads")
    assert "no image has an F" in [text.get_text() for text in axes.texts]


@pytest.mark.parametrize("background", [False, True])
def test_a_study_without_background_draws(background: bool, bakeoff: Adaptation) -> None:
    figure = adaptation_curves(bakeoff, background=background)
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert ("no model of far learnt from background images" in texts) == background


def test_f_and_distance_are_means_over_the_seeds() -> None:
    seeds = pd.DataFrame({"seed": [0, 1], "model": "M", "dataset": "a", "image": "1", "distance": [0.2, 0.4], "f": [1, 0.5]})
    assert averaged(seeds, ["M"], [0, 1])[["distance", "f"]].to_numpy().round(2).tolist() == [[0.3, 0.75]]
