"""The section of a study of adaptation: every segmenter is in the answer, the tables and the figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from howfar import registry
from howfar.figures.adaptation_models import Change, as_called
from howfar.figures.adaptation_scores import adaptation_curves
from howfar.paper.performance_by_distance import PERFORMANCE
from howfar.paper.suppression import SUPPRESSION
from howfar.report import adaptation
from howfar.report.adaptation import beside, curves, section, stacked
from howfar.report.adaptation_sentences import disagreement, judged, lead
from howfar.report.section import Context, FigurePart, TablePart
from howfar.results.adaptation import Adaptations


def test_parts_carry_the_papers_numbers(several: Adaptations, run_folder: Path) -> None:
    made = section(several, Context(run_folder / "gain"))
    figures = {part.name: part.label for part in made.parts if isinstance(part, FigurePart)}
    assert figures == {"bars": "Figure 7", "rows": "Figure 8", "rows-blind": "Figure 9"}
    assert [part.name for part in made.parts if isinstance(part, TablePart)] == [
        "gains",
        "mean-f",
        "ods",
        "over-random",
        "models",
    ]
    assert all(part.caption.text and part.caption.alternative for part in made.parts if isinstance(part, FigurePart))


def test_without_random_and_blind_sets_their_parts_are_not_there(several: Adaptations) -> None:
    plain = []
    for study in several.adaptations:
        gains = study.gains.assign(over_random=float("nan"))
        gains = gains[~gains["model"].str.startswith("random")]
        models = study.models[study.models["strategy"] != "random"].reset_index(drop=True)
        plain.append(replace(study, gains=gains, models=models, blind=()))
    made = section(Adaptations(several.models, tuple(plain)), Context(Path()))
    names = {part.name for part in made.parts}
    assert not {"rows-blind", "over-random"} & names
    assert len([line for line in made.sentences if "Random was no strategy" in line]) == 1


def test_the_lead_gives_every_segmenters_gain_with_its_interval(several: Adaptations) -> None:
    text = lead(several)
    for name, study in several.runs().items():
        (row,) = study.gains.query("model == 'far-7' and dataset == 'all'").to_dict("records")
        assert f"with {name} by +{row['gain']:.3f} [+{row['low']:.3f}, +{row['high']:.3f}] (a rise)" in text
    assert text.startswith("Labelling 7 images of each of 4 datasets, chosen by far, changed mean F with")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (Change(0.1, 0.05, 0.15), "(a rise)"),
        (Change(-0.1, -0.15, -0.05), "(a fall)"),
        (Change(0.1, -0.05, 0.25), "(no evidence of a change)"),
        (Change(-0.1, float("nan"), float("nan")), "by −0.100 (too few photographs for an interval)"),
        (Change(float("nan"), float("nan"), float("nan")), "by what could not be measured"),
        (None, "by what could not be measured"),
    ],
)
def test_a_change_is_judged_by_its_interval(change: Change | None, told: str) -> None:
    assert told in judged(change)


def test_one_seed_is_no_verdict(several: Adaptations) -> None:
    alone = tuple(replace(study, settings={**study.settings, "seeds": [0]}) for study in several.adaptations)
    assert "With one seed that may be a difference of two trainings." in lead(Adaptations(several.models, alone))
    assert "one seed" not in lead(several)


def test_stacked_tables_hold_every_segmenters_rows(several: Adaptations) -> None:
    table = stacked(several, adaptation.gains)
    own = [adaptation.gains(study) for study in several.adaptations]
    assert [column.title for column in table.columns] == ["segmenter", *(column.title for column in own[0].columns)]
    assert [row[0].text for row in table.rows] == [
        name for name, each in zip(several.models, own, strict=True) for _ in each.rows
    ]
    assert [row[1:] for row in table.rows] == [row for each in own for row in each.rows]


def test_where_both_fs_disagree_is_counted_by_segmenter(several: Adaptations) -> None:
    first, *others = several.adaptations
    scores = first.scores.copy()
    # Mean F rises by far-7 on walls alone; let its ODS fall there, and nowhere else.
    walls = scores[scores["dataset"] == "walls"].set_index(["model", "seed"])["ods"]
    place = (scores["model"] == "far-7") & (scores["dataset"] == "walls")
    scores.loc[place, "ods"] = [walls["M", seed] - 0.01 for seed in scores.loc[place, "seed"]]
    changed = Adaptations(several.models, (replace(first, scores=scores), *others))
    before, after = (disagreement(each).partition("in opposite directions ")[2] for each in (several, changed))
    count = int(before.split()[1])
    models = len(set(first.models["model"])) - 1
    assert before.startswith(f"in {count} of {models * 6} comparisons with unetplusplus, in")
    assert int(after.split()[1]) == count + 1


def test_models_are_called_as_in_the_paper() -> None:
    assert as_called(["M", "far-1", "far-7"]) == "In the paper far-1 is M1, far-7 is M7."
    assert as_called(["far-7", "far-7-B3"]) == "In the paper far-7 is M7, far-7-B3 is MB3."


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
    assert made.lead.startswith("Labelling 2 images of walls, chosen by far, changed mean F with deepcrack by")
    assert all(part.draw() for part in made.parts if isinstance(part, FigurePart))
    assert [part.label for part in made.parts if part.label] == ["Figure 7", "Figure 8"]
