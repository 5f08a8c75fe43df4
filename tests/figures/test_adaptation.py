"""Figures of adaptation studies: bars, lines, dots, captions and rows of pictures hold what the result holds."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from howfar import registry
from howfar.errors import InputError
from howfar.figures import Caption, registration
from howfar.figures import adaptation_figures as of_study
from howfar.figures.adaptation_models import strategies, strategy_of
from howfar.paper.slopes_and_suppression import SUPPRESSION, SuppressionSettings
from howfar.paper.slopes_and_suppression_report import suppression
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


@pytest.mark.parametrize(
    ("measure", "column", "words"), [("f_ods", "ods", "best for it"), ("f", "mean_f", "each model at its own threshold")]
)
def test_the_paper_s_f_or_the_honest_one_is_drawn(measure, column, words, study, several):
    figure = of_study.adaptation_bars(study, measure=measure, background=True)
    assert bars(figure.axes[0])["far-7:walls"].get_width() == pytest.approx(scores_of(study, "far-7", "walls", column).mean())
    assert words in figure.axes[0].get_xlabel()
    assert figure.get_suptitle().startswith("ODS," if measure == "f_ods" else "Mean F,")
    panels = of_study.adaptation_bars(several, measure=measure).axes
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
    assert len(of_study.adaptation_bars(several.alone("deepcrack")).axes) == 1


def test_a_line_is_the_moving_average_of_means_over_the_shared_seeds(study: Adaptation) -> None:
    figure, own = of_study.adaptation_curves(study), of_study.adaptation_curves(study, measure="f")
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
    found = of_study.averaged(pd.DataFrame({**rows, "distance": [0.2, 0.4], "f": [1, 0.5]}), ["M"], [0, 1])
    assert found[["distance", "f"]].to_numpy().round(2).tolist() == [[0.3, 0.75]]


def test_a_study_of_an_earlier_version_shows_the_f_that_it_has(study: Adaptation) -> None:
    old = replace(study, images=study.images.drop(columns="f_ods"))
    found, own = (lines(panel(of_study.adaptation_curves(old, measure=measure), "roads"))["M"] for measure in (None, "f"))
    np.testing.assert_array_equal(found.get_xydata(), own.get_xydata())
    assert "F is at the model's own threshold, and not at the dataset's best as in the paper" in caption("curves", old).text
    with pytest.raises(InputError, match=r"an earlier version did not write.*run howfar adapt in the study's folder again"):
        of_study.adaptation_curves(old, measure="f_ods")


def test_false_positives_of_several_segmenters_stand_by_segmenter_and_model(several: Adaptations) -> None:
    made = SUPPRESSION.run(SuppressionSettings(of="gain", bootstrap=40), SimpleNamespace(results={"gain": several}))
    for figure in (suppression(made), of_study.adaptation_suppression(several)):
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


MODELS = ["M", "far-1", "far-3", "far-7", "far-7-B3", "far-7-B7"]


def drawn(*given: Any, **options: Any) -> tuple[dict[str, np.ndarray], list[str]]:
    """The pictures of a figure by their labels, and its texts."""
    (axes,) = of_study.adaptation_rows(*given, **options).axes
    pictures = {str(image.get_label()): np.asarray(image.get_array()) for image in axes.images}
    return pictures, [text.get_text() for text in axes.texts]


def rows(**columns: list[float | None]) -> pd.DataFrame:
    names = list("edcba")
    blank = {"f": [None] * 5, "false_positive_share": [None] * 5}
    frame = pd.DataFrame({"model": "M", "dataset": "s", "image": names, **blank, **columns})
    other = frame.assign(model="far-7", f=[0.0, 1.0, 0.0, 0.0, 0.0])
    return pd.concat([other, frame, frame.assign(dataset="t", f=0.5)], ignore_index=True)


@pytest.mark.parametrize(
    ("columns", "image", "reason"),
    [
        ({"f": [0.1, 0.9, 0.5, 0.8, 0.2]}, "c", "median of F by M"),
        ({"f": [0.1, None, 0.5, 0.8, 0.2]}, "a", "median of F by M"),
        ({"f": [0.5] * 5}, "c", "median of F by M"),
        ({"false_positive_share": [0.0, 0.3, 0.2, 0.1, 0.4]}, "c", "median of false positives by M"),
        ({"f": [None, None, 0.3, None, None], "false_positive_share": [0.1, 0.2, None, 0.4, 0.5]}, "c", "median of F by M"),
        ({}, "c", "middle by name"),
    ],
)
def test_the_image_is_chosen_by_rule(columns: dict[str, list[float | None]], image: str, reason: str) -> None:
    assert of_study.stand_in(rows(**columns), "s") == ("s", image, reason)
    assert of_study.stand_in(rows(**columns).iloc[::-1], "s") == ("s", image, reason)


def test_photograph_truth_and_the_maps_of_each_model_stand_in_a_row(study: Adaptation, study_folder: Path) -> None:
    found, written = drawn(study, folder=study_folder)
    assert [name.partition(":")[2] for name in found if name.startswith("roads:")] == ["photograph", "ground truth", *MODELS]
    first = study.images[study.images["seed"] == 0]
    one = of_study.stand_in(first, "roads")
    row = first[(first["image"] == one.image) & (first["dataset"] == "roads")].set_index("model").loc["far-3"]
    for label, file in (("far-3", study_folder / row["map"]), ("ground truth", row["mask"]), ("photograph", row["path"])):
        with Image.open(file) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        np.testing.assert_array_equal(found[f"roads:{label}"], pixels)
    assert f"far-3\nF {row['f']:.2f}" in written
    assert f"{one.image} · median of F by M" in written
    names = list(dict.fromkeys(name.partition(":")[0] for name in found))
    assert names == [*study.secondaries, "blind, labelled", "blind", "plain & empty"]
    assert "blind:ground truth" not in found
    assert "blind, labelled:ground truth" in found
    assert written.count("none") == 2
    assert sum(text.startswith("far-7-B7\nfalse ") for text in written) == 1
    other, _ = drawn(study, folder=study_folder, strategy="random", limit=1)
    assert [name.partition(":")[2] for name in other][2:] == [name.replace("far", "random") for name in MODELS]
