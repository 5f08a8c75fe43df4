"""What the page says of gains, random and background, and that it says no more than the intervals allow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from howfar.report import adaptation_sentences as words
from howfar.results.adaptation import Adaptation


def told(study: Adaptation, model: str = "far-7", dataset: str = "all", **values: Any) -> Adaptation:
    """The study with other numbers in one row of its gains."""
    gains = study.gains.copy()
    row = (gains["model"] == model) & (gains["dataset"] == dataset)
    assert row.sum() == 1
    for name, value in values.items():
        gains[name] = gains[name].astype(object)
        gains.loc[row, name] = value
    return replace(study, gains=gains)


def over(study: Adaptation, low: float, high: float, beats: bool = False, below: bool = False, **more: Any) -> Adaptation:
    middle = {"over_random": (low + high) / 2, "over_random_low": low, "over_random_high": high}
    return told(study, beats_random=beats, below_random=below, **middle, **more)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (
            0.05,
            0.15,
            "Labelling 7 images of each of 4 datasets, chosen by far, raised mean F by 0.100 [95 % CI +0.050, +0.150].",
        ),
        (
            -0.15,
            -0.05,
            "Labelling 7 images of each of 4 datasets, chosen by far, lowered mean F by 0.100 [95 % CI −0.150, −0.050].",
        ),
        (
            -0.01,
            0.03,
            "There is no evidence that labelling 7 images of each of 4 datasets, chosen by far, changed mean F: "
            "+0.010 [95 % CI −0.010, +0.030].",
        ),
        (
            0.0,
            0.02,
            "There is no evidence that labelling 7 images of each of 4 datasets, chosen by far, changed mean F: "
            "+0.010 [95 % CI 0.000, +0.020].",
        ),
    ],
)
def test_the_lead_is_the_gain_of_the_most_images(low: float, high: float, said: str, study: Adaptation) -> None:
    assert words.lead(told(study, gain=(low + high) / 2, low=low, high=high)) == said


def test_the_lead_of_one_dataset_and_one_image_names_them(study: Adaptation) -> None:
    one = replace(
        study, secondaries=("roads",), models=study.models.assign(shots=study.models["shots"].replace({7: 1, 1: 0, 3: 0}))
    )
    assert words.lead(one).startswith("Labelling 1 image of roads, chosen by far, raised")


def test_what_could_not_be_measured_is_not_claimed(study: Adaptation) -> None:
    bare = told(study, gain=np.nan, low=np.nan, high=np.nan)
    assert "could not be measured" in words.lead(bare)
    assert [model for model, _ in words.by_number(bare)] == ["norm", "far-1", "far-3"]


@pytest.mark.parametrize(
    ("low", "high", "beats", "below", "said"),
    [
        (-0.01, 0.03, False, False, "the interval holds 0, no evidence that far beats random."),
        (0.01, 0.03, True, False, ": far beats random here."),
        (-0.03, -0.01, False, True, ": far does worse than random here."),
        (0.01, 0.03, False, False, "corrected for that it is no evidence that far beats random."),
        (-0.03, -0.01, False, False, "corrected for that it is no evidence that far does worse than random."),
    ],
)
def test_random_is_beaten_only_where_the_corrected_interval_says_so(
    low: float, high: float, beats: bool, below: bool, said: str, study: Adaptation
) -> None:
    text = words.against_random(over(study, low, high, beats, below))
    assert text.endswith(said)
    assert f"gained {words.Change((low + high) / 2, low, high)} more" in text


def test_one_seed_is_no_verdict(study: Adaptation) -> None:
    """A missing verdict may come back as NaN, which is true."""
    for unknown in (None, np.nan):
        one = over(study, 0.01, 0.03)
        gains = one.gains.astype({"beats_random": object, "below_random": object})
        one = replace(one, gains=gains.assign(beats_random=unknown, below_random=unknown))
        assert words.against_random(one).endswith(
            "With one seed that may be a difference of two trainings, and is no verdict on far."
        )
        assert all(text.endswith("one seed does not tell.") for model, text in words.by_number(one) if model != "norm")


def test_without_a_comparison_nothing_is_said_of_random(study: Adaptation) -> None:
    assert words.against_random(over(study, np.nan, np.nan)).startswith("Random was no strategy of this study")
    alone = replace(study, models=study.models[study.models["strategy"] != "far"])
    assert words.against_random(alone) == "The images were drawn at random, and no other way of choosing them was tried."


def test_several_strategies_are_judged_together(study: Adaptation, bakeoff: Adaptation) -> None:
    assert words.any_beats(study) == ""
    assert words.any_beats(bakeoff).startswith("At 7 images of each dataset far beats random.")
    assert "corrected for the number of strategies" in words.any_beats(bakeoff)
    none = replace(
        bakeoff, gains=bakeoff.gains.assign(beats_random=bakeoff.gains["beats_random"].map({True: False, False: False}))
    )
    assert words.any_beats(none).startswith(
        "At 7 images of each dataset there is no evidence that any of 3 strategies beats random"
    )


def test_every_number_of_images_has_its_line(study: Adaptation) -> None:
    changed = told(over(study, -0.03, -0.01, below=True), gain=0.1, low=-0.01, high=0.2)
    changed = told(changed, "far-7", "roads", low=-0.1)
    found = dict(words.by_number(changed))
    assert list(found) == ["norm", "far-1", "far-3", "far-7"]
    assert found["far-1"].startswith("1 of each, 4 images in all: +0.0")
    assert "wholly above 0. It is better on every dataset." in found["far-1"]
    assert found["far-7"].startswith("7 of each, 28 images in all: +0.100 [−0.010, +0.200], holds 0: no evidence of a gain.")
    assert "Dataset by dataset it is better on decks $x$, a <b>bold" in found["far-7"]
    assert found["far-7"].endswith("Beside as many drawn at random: −0.020 [−0.030, −0.010], worse.")


def test_a_line_judges_random_by_the_corrected_interval(study: Adaptation) -> None:
    assert dict(words.by_number(over(study, 0.01, 0.03)))["far-7"].endswith(
        "+0.020 [+0.010, +0.030], no evidence of a difference."
    )
    assert dict(words.by_number(over(study, 0.01, 0.03, beats=True)))["far-7"].endswith("+0.030], better.")


def test_a_single_dataset_that_loses_is_named(study: Adaptation) -> None:
    lost = told(study, "far-7", "walls", gain=-0.2, low=-0.3, high=-0.1)
    assert "; worse on walls." in dict(words.by_number(lost))["far-7"]


@pytest.mark.parametrize(
    ("change", "cost", "said"),
    [
        ((-0.05, -0.06, -0.04), (-0.02, -0.03, -0.01), ("lowered", "−5.00 [−6.00, −4.00] percentage points", "at a cost")),
        ((0.05, 0.04, 0.06), (0.02, 0.01, 0.03), ("raised", "+5.00 [+4.00, +6.00]", "with a rise of mean F: +0.020")),
        ((-0.01, -0.03, 0.01), (-0.001, -0.01, 0.01), ("did not provably change", "−1.00 [−3.00", "with no provable cost")),
    ],
)
def test_background_is_told_with_its_price(
    change: tuple[float, ...], cost: tuple[float, ...], said: tuple[str, ...], study: Adaptation
) -> None:
    table = study.suppression.copy()
    table.loc[table["model"] == "far-7-B7", ["change", "low", "high", "cost", "cost_low", "cost_high"]] = [*change, *cost]
    text = words.suppressed(replace(study, suppression=table))
    assert text.startswith("Adding 7 images of plain & empty to far-7")
    for part in said:
        assert part in text


def test_without_background_nothing_is_said_of_it(bakeoff: Adaptation) -> None:
    assert words.suppressed(bakeoff) == ""


@pytest.mark.parametrize(
    ("seeds", "said"), [(1, "With one seed nothing is known"), (3, "3 seeds say little of"), (5, "Intervals are over")]
)
def test_limits_speak_of_few_seeds(seeds: int, said: str, study: Adaptation) -> None:
    rows = study.models[study.models["seed"] == 0]
    models = [rows.assign(seed=seed) for seed in range(seeds)]
    limits = words.limits(replace(study, models=pd.concat(models)))
    assert limits[0].startswith(said)
    assert sum("narrower than they should be" in one for one in limits) == (seeds == 1)
    assert sum("reckon with that" in one for one in limits) == (seeds == 3)


def test_limits_speak_of_threshold_and_of_what_is_scored(study: Adaptation) -> None:
    limits = " ".join(words.limits(study))
    assert "photographs of training & <set> that were held out" in limits
    assert "chosen from whole datasets" in limits
    other = replace(study, settings={**study.settings, "pool": 0.5, "training": {"holdout": 0}})
    limits = " ".join(words.limits(other))
    assert "threshold 0.5, as no photograph" in limits
    assert "chosen from 50 % of each dataset's photographs" in limits


def test_points_have_a_sign() -> None:
    assert (words.points(-0.0123), words.points(0.0)) == ("−1.23", "0.00")


def with_ods(study: Adaptation, value: float, *datasets: str) -> Adaptation:
    """The study with this ODS of far-7 on some datasets."""
    scores = study.scores.copy()
    scores.loc[(scores["model"] == "far-7") & scores["dataset"].isin(datasets), "ods"] = value
    return replace(study, scores=scores)


def test_the_two_fs_agree_or_the_disagreement_is_named(study: Adaptation) -> None:
    agree = "Mean F at the models' own thresholds and ODS nowhere change in opposite directions."
    assert words.disagreement(study) == agree
    base = study.scores[(study.scores["model"] == "M") & (study.scores["dataset"] == "walls") & (study.scores["seed"] < 3)]
    ods = base["ods"].astype(float).mean()
    text = words.disagreement(with_ods(study, ods - 0.01, "walls"))
    assert text.startswith("In 1 of 66 comparisons with M, mean F at the models' own thresholds and ODS change in opposite")
    far = study.scores[(study.scores["model"] == "far-7") & (study.scores["dataset"] == "walls")]["mean_f"].mean()
    change = far - base["mean_f"].mean()
    assert f"far-7 on walls (mean F +{change:.3f} to {far:.3f}, ODS −0.010 to {ods - 0.01:.3f})" in text
    assert text.endswith("What a new site would see is the first.")


def test_many_disagreements_are_counted_and_not_all_named(study: Adaptation) -> None:
    scores = study.scores.copy()
    scores.loc[scores["model"] != "M", "ods"] = 0.0
    text = words.disagreement(replace(study, scores=scores))
    assert text.startswith("In 62 of 66 comparisons with M")
    assert text.count(" to 0.000)") == words.MOST_NAMED
    assert " and 56 more. " in text


def test_changes_that_round_to_nothing_do_not_disagree() -> None:
    assert words.opposed(0.001, -0.001)
    assert not words.opposed(0.0004, -0.2)
    assert not words.opposed(0.1, float("nan"))


def test_without_scores_no_disagreement_is_claimed(study: Adaptation) -> None:
    assert words.disagreement(replace(study, scores=study.scores.assign(ods=np.nan))) == "Neither could be measured."


def test_a_model_without_labels_is_told_of_first(study: Adaptation) -> None:
    model, line = words.by_number(told(study, "norm", gain=0.05, low=0.02, high=0.08))[0]
    assert model == "norm"
    assert line.startswith("no label, M adapted to the unlabelled images of each: +0.050 [+0.020, +0.080], wholly above 0.")
