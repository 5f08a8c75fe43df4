"""The section of a study of adaptation: every segmenter is in the answer, the tables and the figures."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from howfar import registry
from howfar.figures.adaptation_scores import adaptation_curves
from howfar.paper.performance_by_distance import PERFORMANCE
from howfar.paper.suppression import SUPPRESSION
from howfar.report import adaptation
from howfar.report.adaptation import beside, curves, section, stacked
from howfar.report.section import Cell, Context, FigurePart, Table
from howfar.results.adaptation import Adaptation, Adaptations


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


def test_stacked_tables_hold_every_segmenters_rows(several: Adaptations) -> None:
    table = stacked(several, adaptation.gains)
    own = [adaptation.gains(study) for study in several.adaptations]
    assert [column.title for column in table.columns] == ["segmenter", *(column.title for column in own[0].columns)]
    assert [row[0].text for row in table.rows] == [
        name for name, each in zip(several.models, own, strict=True) for _ in each.rows
    ]
    assert [row[1:] for row in table.rows] == [row for each in own for row in each.rows]


def test_the_study_beside_another_is_found(several: Adaptations, run_folder: Path, tmp_path: Path) -> None:
    found = beside("gain", run_folder / "performance")
    assert found is not None
    assert found.models == several.models
    assert beside("gain", tmp_path / "performance") is None


def test_curves_are_named_as_in_the_file_and_explained_once(several: Adaptations) -> None:
    parts = curves(several, adaptation_curves, {"deepcrack": "Figure 4"}, "Before.")
    assert [part.name for part in parts] == [f"curves-{name}" for name in several.models]
    assert [part.label for part in parts] == ["", "Figure 4", ""]
    captions = [part.caption for part in parts if isinstance(part, FigurePart)]
    assert [caption.title.rpartition(", ")[0] != "" for caption in captions] == [True] * 3
    assert captions[0].text.startswith("Before. One panel a dataset")
    assert captions[1].text == "Of deepcrack, drawn as the figure before."
    figure = parts[2].draw()  # type: ignore[union-attr]  # a figure
    assert figure.get_suptitle().splitlines()[1].startswith("adsam, 1024 px on")


def test_one_segmenter_of_one_dataset_and_seed_is_reported(studies: ModuleType, tmp_path: Path) -> None:
    options = {"sizes": {"walls": 12}, "seeds": (0,), "strategies": ("far",), "shots": (1, 2), "blind": {}, "bootstrap": 20}
    alone = studies.several(tmp_path / "gain", ("deepcrack",), background_shots=(2,), **options)
    alone.save(tmp_path / "gain")
    inputs = SimpleNamespace(results={"gain": alone})
    for kind, settings in ((PERFORMANCE, {"of": "gain", "bootstrap": 20}), (SUPPRESSION, {"of": "gain", "bootstrap": 20})):
        result = kind.run(kind.settings(**settings), inputs)
        made = registry.load("study_sections", kind.name)(result, Context(tmp_path / kind.name))
        assert "deepcrack" in made.lead
        assert all(part.draw() for part in made.parts if isinstance(part, FigurePart))
    made = section(alone, Context(tmp_path / "gain"))
    assert made.lead.startswith("Labelling 2 images of walls, chosen by far, raised mean F by")
    assert all(part.draw() for part in made.parts if isinstance(part, FigurePart))
    assert [part.label for part in made.parts if part.label] == ["Figure 7", "Figure 8"]
