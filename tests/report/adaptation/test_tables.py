from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from howfar.report import adaptation
from howfar.report.section import Cell, Table
from howfar.results.adaptation import Adaptation


def cell(table: Table, row: str, column: str) -> Cell:
    place = [one.title for one in table.columns].index(column)
    (found,) = [cells for cells in table.rows if cells[0].text == row]
    return found[place]


@pytest.mark.parametrize("column", ["mean_f", "ods"])
def test_scores_are_means_over_the_shared_seeds_with_their_range(column: str, study: Adaptation) -> None:
    table = adaptation.scores(study, column)
    rows = study.scores[(study.scores["model"] == "M") & (study.scores["dataset"] == "walls")]
    assert len(rows) == 4
    values = rows.loc[rows["seed"] < 3, column].astype(float)
    found = cell(table, "M", "walls")
    assert found.sort == pytest.approx(values.mean())
    assert found.text == f"{values.mean():.3f} ({values.min():.3f}–{values.max():.3f})"
    assert [one.title for one in table.columns] == ["model", *study.secondaries, "blind, labelled (blind)", "all"]
    assert [row[0].text for row in table.rows] == adaptation.models(study)


def test_one_seed_has_no_range(study: Adaptation) -> None:
    one = replace(study, models=study.models[study.models["seed"] == 1])
    values = study.scores[study.scores["seed"] == 1].set_index(["model", "dataset"])["mean_f"]
    assert cell(adaptation.scores(one, "mean_f"), "far-3", "roads").text == f"{values['far-3', 'roads']:.3f}"


def test_gains_are_marked_where_they_are_losses(study: Adaptation) -> None:
    gains = study.gains.copy()
    row = (gains["model"] == "far-3") & (gains["dataset"] == "all")
    gains.loc[row, ["gain", "low", "high"]] = [-0.1, -0.2, -0.05]
    table = adaptation.gains(replace(study, gains=gains))
    assert cell(table, "far-3", "all") == Cell("−0.100 [−0.200, −0.050]", -0.1, strong=True)
    assert not cell(table, "far-7", "all").strong
    gains.loc[row, ["gain", "low", "high"]] = np.nan
    assert cell(adaptation.gains(replace(study, gains=gains)), "far-3", "all").text == "–"


def test_the_verdict_beside_random_is_that_of_the_corrected_interval(study: Adaptation, bakeoff: Adaptation) -> None:
    assert cell(adaptation.against_random(bakeoff), "far-7", "verdict").text == "better"
    assert cell(adaptation.against_random(bakeoff), "near-7", "verdict").text == "no evidence of a difference"
    worse = study.gains.assign(beats_random=False, below_random=True)
    table = adaptation.against_random(replace(study, gains=worse))
    assert cell(table, "far-1", "verdict").text == "worse"
    assert [row[0].text for row in table.rows] == ["far-1", "far-3", "far-7", "far-7-B3", "far-7-B7"]
    none = replace(study, gains=study.gains.assign(over_random=np.nan))
    assert adaptation.against_random(none).rows == ()


def test_suppression_is_in_points_and_marks_what_cost(study: Adaptation, bakeoff: Adaptation) -> None:
    frame = study.suppression.copy()
    row = frame["model"] == "far-7-B3"
    frame.loc[row, ["change", "low", "high", "cost", "cost_low", "cost_high"]] = [-0.031, -0.04, 0.0, -0.02, -0.03, -0.01]
    table = adaptation.suppression(replace(study, suppression=frame))
    assert cell(table, "far-7-B3", "change, points").text == "−3.10 [−4.00, 0.00]"
    assert cell(table, "far-7-B3", "change of mean F") == Cell("−0.020 [−0.030, −0.010]", -0.02, strong=True)
    assert cell(table, "M", "change of mean F").text == "–"
    rows = study.scores[
        (study.scores["model"] == "M") & (study.scores["dataset"] == "plain & empty") & (study.scores["seed"] < 3)
    ]
    assert cell(table, "M", "false positives").sort == pytest.approx(float(rows["false_positive_share"].astype(float).mean()))
    assert adaptation.suppression(bakeoff).rows == ()


def test_models_and_choices_are_listed_whole(study: Adaptation) -> None:
    assert len(adaptation.trained(study).rows) == len(study.models)
    assert len(adaptation.chosen(study).rows) == len(study.picks)
    first = [one.text for one in adaptation.chosen(study).rows[0]]
    assert first == ["chosen-far-1.png", "roads", "far", "0", "7", "1", "0.95"]
    bare = replace(study, models=study.models.assign(held_out_ods=None))
    assert cell(replace_first(adaptation.trained(bare)), "M", "held-out ODS").text == "–"


def replace_first(table: Table) -> Table:
    """The table with its first row alone."""
    return replace(table, rows=table.rows[:1])


def test_settings_are_in_words(study: Adaptation) -> None:
    found = {row[0].text: row[1].text for row in adaptation.settings(study).rows}
    assert found["segmenter"] == "unetplusplus"
    assert found["images of each secondary"] == "1, 3, 7"
    assert found["share to choose from"] == "whole datasets"
    assert found["photograph"] == "guessed from names"
    assert found["encoder"] == "lite0"
    assert found["epochs"] == "12"
    assert "seed" not in found
    assert not any("None" in text or "[" in text for text in found.values())


def test_both_fs_stand_side_by_side_with_their_changes(study: Adaptation) -> None:
    table = adaptation.both(study)
    found = {(row[0].text, row[1].text): row for row in table.rows}
    assert set(found) == {(model, name) for model in adaptation.models(study) for name in ("all", *LABELLED)}
    own = study.scores[study.scores["seed"] < 3].astype({"ods": float})
    means = own.groupby(["model", "dataset"])[["mean_f", "mean_f_ods", "ods"]].mean()
    row = found["far-7", "walls"]
    changes = means.loc[("far-7", "walls")] - means.loc[("M", "walls")]
    assert [one.sort for one in row[2:5]] == pytest.approx(means.loc[("far-7", "walls")].tolist())
    assert [one.sort for one in row[5:]] == pytest.approx(changes.tolist())
    assert [one.text for one in found["M", "walls"][5:]] == ["–", "–", "–"]
    assert not any(one.strong for row in table.rows for one in row)


LABELLED = ("roads", "decks $x$", "a <b>bold</b> & long name of the tunnel linings, 2024", "walls", "blind, labelled (blind)")


def test_a_change_of_mean_f_is_marked_where_ods_changes_the_other_way(study: Adaptation) -> None:
    scores = study.scores.copy()
    here = (scores["model"] == "far-7") & (scores["dataset"] == "walls")
    base = scores[(scores["model"] == "M") & (scores["dataset"] == "walls") & (scores["seed"] < 3)]
    scores.loc[here, "ods"] = base["ods"].astype(float).mean() - 0.01
    marked = [row for row in adaptation.both(replace(study, scores=scores)).rows if row[5].strong]
    assert [(row[0].text, row[1].text) for row in marked] == [("far-7", "walls")]


def test_slopes_and_parts_are_listed_for_every_model_dataset_and_seed(study: Adaptation) -> None:
    slopes, strata = adaptation.slopes(study), adaptation.strata(study)
    assert len(slopes.rows) == len(study.slopes) / 2
    assert len(strata.rows) == len(study.strata)
    wanted = study.slopes[(study.slopes["model"] == "far-7") & (study.slopes["dataset"] == "walls")]
    wanted = wanted[wanted["seed"] == 1].set_index("measure")
    (found,) = [row for row in slopes.rows if [one.text for one in row[:3]] == ["far-7", "walls", "1"]]
    assert [one.sort for one in found[4:]] == [wanted.loc["f", "slope"], wanted.loc["f_ods", "slope"]]
    assert found[4].strong == (wanted.loc["f", "low"] > 0 or wanted.loc["f", "high"] < 0)
    part = study.strata.iloc[0]
    assert strata.rows[0][3].text == "0–50 %"
    assert strata.rows[0][5].text == f"{part['ods']:.3f} ({part['distance_mean']:.2f}, {part['distance_std']:.2f})"
    assert strata.rows[0][6].sort == part["f"]


def test_a_study_of_an_earlier_version_has_no_tables_by_distance(study: Adaptation) -> None:
    scores = study.scores.drop(columns="mean_f_ods")
    old = replace(study, scores=scores, slopes=study.slopes.iloc[:0], strata=study.strata.iloc[:0])
    assert adaptation.slopes(old).rows == adaptation.strata(old).rows == ()
    assert {row[3].text for row in adaptation.both(old).rows} == {"–"}
