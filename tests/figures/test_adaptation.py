"""Figures of adaptation studies: their bars, lines, dots and captions hold the numbers of the result."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from howfar import registry
from howfar.errors import InputError
from howfar.figures import Caption, registration
from howfar.figures.adaptation_gains import adaptation_suppression
from howfar.figures.adaptation_models import seeds_of, seeds_text, strategies, strategy_of
from howfar.figures.adaptation_scores import adaptation_bars, adaptation_curves, averaged, ranges
from howfar.paper.adapted_models import SUPPRESSION, SuppressionSettings
from howfar.paper.adapted_models_report import suppression
from howfar.relation.performance_by_distance import moving_average
from howfar.results.adaptation_result import Adaptation, Adaptations


def bars(axes: Axes) -> dict[str, Any]:
    return {str(group.get_label()): group.patches[0] for group in axes.containers}  # type: ignore[attr-defined]  # bars


def lines(axes: Axes) -> dict[str, Line2D]:
    return {str(line.get_label()): line for line in axes.get_lines()}


def x(axes: Axes, label: str) -> list[float]:
    return [float(value) for value in np.asarray(lines(axes)[label].get_xdata())]


def panel(figure: Figure, name: str) -> Axes:
    return next(axes for axes in figure.axes if axes.get_title("left") == name)


def written(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def scores_of(study: Adaptation, model: str, dataset: str, column: str = "ods") -> np.ndarray:
    """A score in the seeds that all models have."""
    rows = study.scores[(study.scores["model"] == model) & (study.scores["dataset"] == dataset) & (study.scores["seed"] < 3)]
    assert len(rows) == 3
    return rows[column].to_numpy(dtype=np.float64)


def caption(name: str, adaptation: Adaptation) -> Caption:
    return registration(name, registry.load("adaptation_figures", f"adaptation_{name}")).caption(adaptation)


def test_the_strategy_shown_is_the_first_that_is_not_random(study: Adaptation) -> None:
    turned = replace(study, models=study.models.iloc[::-1])
    assert (strategies(study), strategies(turned)) == (["far", "random"], ["random", "far"])
    assert [strategy_of(study), strategy_of(turned), strategy_of(study, "random")] == ["far", "far", "random"]
    alone = replace(study, models=study.models[study.models["strategy"] != "far"])
    assert strategy_of(alone) == "random"
    with pytest.raises(InputError, match=r"strategy must be one of the study's \(far, random\), got 'near'"):
        strategy_of(study, "near")


def test_seeds_are_those_that_all_have(study: Adaptation) -> None:
    assert seeds_of(study, ["M", "random-7"]) == [0, 1, 2, 3]
    assert seeds_of(study, ["M", "random-7", "far-7"]) == [0, 1, 2]
    apart = study.models[(study.models["model"] != "far-7") | (study.models["seed"] == 2)]
    apart = apart[(apart["model"] != "far-3") | (apart["seed"] == 0)]
    assert seeds_of(replace(study, models=apart), ["far-3", "far-7"]) == [0, 2]
    assert seeds_of(study, []) == []
    assert (seeds_text([0]), seeds_text([0, 1, 2])) == ("one seed", "means over 3 seeds")


def test_a_bar_is_the_mean_over_the_shared_seeds_and_its_line_their_range(study: Adaptation) -> None:
    (axes,) = adaptation_bars(study).axes
    for model in ("M", "far-7", "random-3"):
        values = scores_of(study, model, "walls")
        assert bars(axes)[f"{model}:walls"].get_width() == pytest.approx(values.mean())
        assert x(axes, f"range:{model}:walls") == pytest.approx([values.min(), values.max()])
    values = [scores_of(study, "far-7", name) for name in study.secondaries]
    assert bars(axes)["far-7:all"].get_width() == pytest.approx(np.mean(values))
    bar = ranges(study, ["far-7"], [0, 1, 2], "ods")["unetplusplus", "far-7", "all"]
    assert (bar.low, bar.high) == pytest.approx((np.mean(values, axis=0).min(), np.mean(values, axis=0).max()))
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[-2:] == ["blind, labelled (blind)", "all 4 secondaries"]
    assert len(labels) == 6


@pytest.mark.parametrize(
    ("measure", "column", "words"), [("f_ods", "ods", "best for it"), ("f", "mean_f", "each model at its own threshold")]
)
def test_the_paper_s_f_or_the_honest_one_is_drawn(measure, column, words, study, several):
    figure = adaptation_bars(study, measure=measure, background=True)
    assert bars(figure.axes[0])["far-7:walls"].get_width() == pytest.approx(scores_of(study, "far-7", "walls", column).mean())
    assert words in figure.axes[0].get_xlabel()
    assert figure.get_suptitle().startswith("ODS," if measure == "f_ods" else "Mean F,")
    panels = adaptation_bars(several, measure=measure).axes
    assert len(panels) == 3 == len(several.segmenters)
    assert len({axes.get_xlim() for axes in panels}) == 1
    for axes, (name, each) in zip(panels, several.runs().items(), strict=True):
        assert axes.get_title(loc="left") == name
        for model in ("M", "far-1", "far-7", "random-7"):
            width = bars(axes)[f"{model}:walls"].get_width()
            assert width == pytest.approx(scores_of(each, model, "walls", column).mean())
        m, far = (bars(axes)[f"{model}:all"].get_width() for model in ("M", "far-7"))
        assert far == pytest.approx(np.mean([scores_of(each, "far-7", own, column) for own in each.secondaries]))
        assert f"M {m:.3f} → far-7 {far:.3f}" in written(axes)
    assert len(adaptation_bars(several.alone("deepcrack")).axes) == 1


def test_a_line_is_the_moving_average_of_means_over_the_shared_seeds(study: Adaptation) -> None:
    figure, own = adaptation_curves(study), adaptation_curves(study, measure="f")
    assert [axes.get_title("left")[:5] for axes in figure.axes] == ["roads", "decks", "a <b>", "walls"]
    assert list(lines(panel(figure, "roads"))) == ["M", "far-1", "far-3", "far-7"]
    # M has a fourth seed, which the others lack.
    rows = study.images[(study.images["dataset"] == "roads") & (study.images["seed"] < 3)]
    for model in ("far-3", "M"):
        means = rows[rows["model"] == model].groupby("image")[["distance", "f_ods", "f"]].mean().sort_values("distance")
        for drawn, column in ((figure, "f_ods"), (own, "f")):
            found = lines(panel(drawn, "roads"))[model].get_xydata()
            np.testing.assert_allclose(found, np.column_stack([means["distance"], moving_average(means[column], 10)]))
        points = [one for one in panel(figure, "roads").collections if one.get_label() == f"images:{model}"]
        np.testing.assert_allclose(np.asarray(points[0].get_offsets()), means[["distance", "f_ods"]])
    assert "F at the model's own threshold" in [text.get_text() for text in own.texts]
    assert "F at the dataset's best threshold" in [text.get_text() for text in figure.texts]
    rows = {"segmenter": "net", "seed": [0, 1], "model": "M", "dataset": "a", "image": "1"}
    found = averaged(pd.DataFrame({**rows, "distance": [0.2, 0.4], "f": [1, 0.5]}), ["M"], [0, 1])
    assert found[["distance", "f"]].to_numpy().round(2).tolist() == [[0.3, 0.75]]


def test_a_study_of_an_earlier_version_shows_the_f_that_it_has(study: Adaptation) -> None:
    old = replace(study, images=study.images.drop(columns="f_ods"))
    found, own = (lines(panel(adaptation_curves(old, measure=measure), "roads"))["M"] for measure in (None, "f"))
    np.testing.assert_array_equal(found.get_xydata(), own.get_xydata())
    assert "F is at the model's own threshold, and not at the dataset's best as in the paper" in caption("curves", old).text
    with pytest.raises(InputError, match=r"an earlier version did not write.*run howfar adapt in the study's folder again"):
        adaptation_curves(old, measure="f_ods")


def test_false_positives_of_several_segmenters_stand_by_segmenter_and_model(several: Adaptations) -> None:
    made = SUPPRESSION.run(SuppressionSettings(of="gain", bootstrap=40), SimpleNamespace(results={"gain": several}))
    for figure in (suppression(made), adaptation_suppression(several)):
        left, right = figure.axes
        labels = [label.get_text() for label in left.get_yticklabels()]
        models = ["M", *(f"{name}-7{more}" for name in ("far", "random") for more in ("", "-B3", "-B7"))]
        assert labels == [f"{name} · {model}" for name in several.segmenters for model in models]
        for name in several.segmenters:
            row = several.suppression.query("segmenter == @name and model == 'far-7-B3'").iloc[0]
            assert x(left, f"{name}:far-7-B3") == pytest.approx([row["share"]])
            assert x(right, f"cost:{name}:far-7-B3") == [row["cost"]]
            assert x(right, f"interval:cost:{name}:far-7-B3") == [row["cost_low"], row["cost_high"]]
            assert f"cost:{name}:far-7" not in lines(right)
    share = made.shares.query("segmenter == 'deepcrack' and model == 'M'").iloc[0]
    assert x(suppression(made).axes[0], "interval:deepcrack:M") == [share["low"], share["high"]]
    few = replace(made, left=1, background="pl$in")
    assert "on 1 image of pl$in that no model learnt from" in suppression(few).get_suptitle()
