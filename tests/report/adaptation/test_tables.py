"""The section of a study of adaptation: every segmenter is in the answer, the tables and the figures."""

from dataclasses import replace
from pathlib import Path

from figures import believable_adaptation
from howfar.figures.adaptation_figures import adaptation_curves
from howfar.report import adaptation_report
from howfar.report.adaptation_report import beside, curves
from howfar.report.section import FigurePart


def test_tables_and_curves_of_all_segmenters_are_named_as_in_the_file(several, run_folder, tmp_path):
    table = adaptation_report.gains(several)
    own = [(name, row) for name in several.segmenters for row in adaptation_report.gains(several.alone(name)).rows]
    assert [(row[0].text, row[1:]) for row in table.rows] == own
    parts = curves(several, adaptation_curves, {"deepcrack": "Figure 4"}, "Before.")
    assert [part.name for part in parts] == [f"curves-{name}" for name in several.segmenters]
    assert [part.label for part in parts] == ["", "Figure 4", ""]
    captions = [part.caption for part in parts if isinstance(part, FigurePart)]
    assert captions[0].text.startswith("Before. One panel a dataset")
    assert captions[1].text == "Of deepcrack, drawn as the figure before."
    assert captions[2].title.endswith(", adsam, 1024 px")
    found = beside("gain", run_folder / "performance")
    assert found is not None
    assert found.segmenters == several.segmenters
    assert beside("gain", tmp_path / "performance") is None


def test_a_model_that_adapting_made_worse_is_named_with_its_dataset_and_interval(tmp_path: Path) -> None:
    study = believable_adaptation.several(tmp_path / "gain", ("deepcrack",))["deepcrack"]
    assert not replace(study, gains=study.gains.assign(high=0.1)).harmed()
    one = (study.gains["model"] == "far-7") & (study.gains["dataset"] == "walls")
    gains = study.gains.assign(high=0.1)
    gains.loc[one, ["gain", "low", "high"]] = [-0.2, -0.25, -0.15]
    found = replace(study, gains=gains)
    worse = "Adapting made these worse: far-7 on walls (-0.200 [-0.250, -0.150]). Keep the model M there."
    assert found.harmed() == found.findings()[-1] == worse
