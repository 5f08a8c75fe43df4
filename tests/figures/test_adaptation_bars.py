"""Bars of several segmenters: the numbers of the scores, a panel a segmenter, with one scale."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from howfar.errors import InputError
from howfar.figures.adaptation_scores import adaptation_bars, adaptation_curves, ranges
from howfar.figures.style import PAPER
from howfar.results.adaptation import Adaptation, Adaptations


def bars(figure: Figure) -> dict[str, Rectangle]:
    (axes,) = figure.axes
    return {str(group.get_label()): group.patches[0] for group in axes.containers}


def shown(study: Adaptation, model: str, dataset: str, column: str = "ods") -> np.ndarray:
    rows = study.scores[(study.scores["model"] == model) & (study.scores["dataset"] == dataset) & (study.scores["seed"] < 3)]
    assert len(rows) == 3
    return rows[column].to_numpy(dtype=np.float64)


def test_a_bar_is_the_mean_over_the_shared_seeds_and_its_line_their_range(study: Adaptation) -> None:
    figure = adaptation_bars(study)
    found = bars(figure)
    ranges_of = {str(line.get_label()): np.asarray(line.get_xdata()) for line in figure.axes[0].get_lines()}
    for model in ("M", "far-7", "random-3"):
        values = shown(study, model, "walls")
        assert found[f"{model}:walls"].get_width() == pytest.approx(values.mean())
        assert ranges_of[f"range:{model}:walls"].tolist() == pytest.approx([values.min(), values.max()])


def test_all_is_the_mean_over_the_secondaries_alone(study: Adaptation) -> None:
    values = [shown(study, "far-7", name) for name in study.secondaries]
    assert bars(adaptation_bars(study))["far-7:all"].get_width() == pytest.approx(np.mean(values))
    bar = ranges(study, ["far-7"], [0, 1, 2], "ods")["far-7", "all"]
    assert (bar.low, bar.high) == pytest.approx((np.mean(values, axis=0).min(), np.mean(values, axis=0).max()))


def test_random_is_hollow_beside_the_strategy(study: Adaptation) -> None:
    found = bars(adaptation_bars(study))
    names = [name.split(":")[0] for name in found if name.endswith(":roads")]
    assert names == ["M", "far-1", "random-1", "far-3", "random-3", "far-7", "random-7"]
    assert to_hex(found["random-7:roads"].get_facecolor()) == PAPER
    assert to_hex(found["far-7:roads"].get_facecolor()) == to_hex(found["random-7:roads"].get_edgecolor())
    alone = bars(adaptation_bars(study, strategy="random"))
    assert to_hex(alone["random-7:roads"].get_facecolor()) != PAPER
    assert not any(name.startswith("far") for name in alone)


def test_background_stands_beside_the_same_model_without(study: Adaptation) -> None:
    found = bars(adaptation_bars(study, background=True))
    assert [name for name in found if name.endswith(":roads")] == ["far-7:roads", "far-7-B3:roads", "far-7-B7:roads"]


def test_blind_sets_are_named_as_such_and_only_with_an_f(study: Adaptation) -> None:
    labels = [label.get_text() for label in adaptation_bars(study).axes[0].get_yticklabels()]
    assert labels[-2:] == ["blind, labelled (blind)", "all 4 secondaries"]
    assert len(labels) == 6


@pytest.mark.parametrize("background", [False, True])
def test_the_paper_s_f_or_the_honest_one_is_drawn(background: bool, study: Adaptation) -> None:
    for measure, column, words in (("f_ods", "ods", "best for it"), ("f", "mean_f", "each model at its own threshold")):
        figure = adaptation_bars(study, measure=measure, background=background)  # type: ignore[arg-type]  # of a loop
        found = bars(figure)["far-7:walls"]
        assert found.get_width() == pytest.approx(shown(study, "far-7", "walls", column).mean())
        assert words in figure.axes[0].get_xlabel()
        named = figure.get_suptitle()
        assert named is not None
        assert named.startswith("ODS," if measure == "f_ods" else "Mean F,")


def test_another_measure_is_one_line(study: Adaptation) -> None:
    for draw in (adaptation_bars, adaptation_curves):
        with pytest.raises(InputError, match=r"measure must be 'f_ods' \(the paper's\) or 'f'"):
            draw(study, measure="iou")  # type: ignore[arg-type]  # what is wrong is the test's point


def test_ods_is_of_its_own_column(study: Adaptation) -> None:
    mean, ods = (ranges(study, ["M"], [0], column)["M", "roads"].mean for column in ("mean_f", "ods"))
    assert ods == pytest.approx(mean + 0.05)


def widths(axes: Axes) -> dict[str, float]:
    return {bars.get_label(): bars.patches[0].get_width() for bars in axes.containers}  # type: ignore[attr-defined]  # bars


@pytest.mark.parametrize(("measure", "column"), [("f_ods", "ods"), ("f", "mean_f")])
def test_bars_are_means_over_the_seeds_of_each_segmenter(several: Adaptations, measure: str, column: str) -> None:
    figure = adaptation_bars(several, measure=measure)  # type: ignore[arg-type]  # one of both
    assert len(figure.axes) == 3
    for axes, (name, study) in zip(figure.axes, several.runs().items(), strict=True):
        assert axes.get_title(loc="left") == name
        scores = study.scores[study.scores["seed"] < 3].astype({column: float})
        mean = scores.groupby(["model", "dataset"])[column].mean()
        drawn = widths(axes)
        for model in ("M", "far-1", "far-7", "random-7"):
            assert drawn[f"{model}:walls"] == pytest.approx(mean[model, "walls"])
        own = scores[(scores["model"] == "far-7") & scores["dataset"].isin(study.secondaries)]
        assert drawn["far-7:all"] == pytest.approx(own[column].mean())
    assert len({axes.get_xlim() for axes in figure.axes}) == 1


def test_bars_of_several_with_background(several: Adaptations) -> None:
    figure = adaptation_bars(several, background=True)
    models = {label.partition(":")[0] for label in widths(figure.axes[0])}
    assert models == {"far-7", "far-7-B3", "far-7-B7"}
    assert "background" in figure.get_suptitle()


def test_one_segmenter_has_one_panel(several: Adaptations) -> None:
    alone = Adaptations(several.models[:1], several.adaptations[:1])
    assert len(adaptation_bars(alone).axes) == 1


def test_the_heading_of_a_panel_says_what_the_most_images_did(several: Adaptations) -> None:
    drawn = widths(adaptation_bars(several).axes[2])
    texts = [text.get_text() for text in adaptation_bars(several).axes[2].texts]
    assert f"M {drawn['M:all']:.3f} → far-7 {drawn['far-7:all']:.3f}" in texts


def test_without_background_there_is_nothing_to_draw(several: Adaptations) -> None:
    plain = [
        replace(study, models=study.models[study.models["background"] == 0].reset_index(drop=True))
        for study in several.adaptations
    ]
    figure = adaptation_bars(Adaptations(several.models, tuple(plain)), background=True)
    assert "no model of far learnt from background images" in figure.axes[0].texts[0].get_text()


def test_another_measure_is_refused(several: Adaptations) -> None:
    with pytest.raises(InputError, match="measure"):
        adaptation_bars(several, measure="g")  # type: ignore[arg-type]  # what is refused
