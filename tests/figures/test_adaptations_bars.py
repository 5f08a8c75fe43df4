"""Bars of several segmenters: the numbers of the scores, a panel a segmenter, with one scale."""

from __future__ import annotations

from dataclasses import replace

import pytest
from matplotlib.axes import Axes

from howfar.errors import InputError
from howfar.figures.adaptation_scores import adaptation_bars
from howfar.results.adaptation import Adaptations


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


def test_background_shows_m7_and_those_with_background(several: Adaptations) -> None:
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
