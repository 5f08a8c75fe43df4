from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import howfar
from howfar.figures.backbones import backbones_agreement, backbones_relative, looks
from howfar.report import backbones as words
from howfar.report.backbones import write_backbones_report
from howfar.report.rerun import rerun_backbones
from howfar.results.backbones import BackboneComparison

NAMES = ("pixels", "colour_moments")


@pytest.fixture(scope="module")
def found(demo_folders: list[Path], tmp_path_factory: pytest.TempPathFactory) -> BackboneComparison:
    primary, *secondaries = demo_folders
    store = tmp_path_factory.mktemp("store")
    options: dict[str, Any] = {"bootstrap": 50, "permutations": 0, "progress": False, "store": store}
    return howfar.compare_backbones(primary, secondaries, NAMES, **options)


def ordered(found: BackboneComparison, **orders: list[float]) -> BackboneComparison:
    """The result with other relative distances, and the agreement that goes with them."""
    comparisons = []
    for one in found.comparisons:
        values = orders[one.backbone.name]
        datasets = tuple(replace(row, relative=value) for row, value in zip(one.datasets, values, strict=False))
        comparisons.append(
            replace(one, datasets=datasets, images=one.images[one.images["dataset"].isin([d.name for d in datasets])])
        )
    rho = pd.Series(orders[NAMES[0]]).corr(pd.Series(orders[NAMES[1]]), method="spearman")
    agreement = pd.DataFrame([{"one": NAMES[0], "other": NAMES[1], "dataset": "", "n": len(values), "spearman": rho}])
    return BackboneComparison(tuple(comparisons), agreement.assign(low=float("nan"), high=float("nan")))


def test_writes_page_and_figures(found: BackboneComparison, tmp_path: Path) -> None:
    page = write_backbones_report(found, tmp_path)
    text = page.read_text()
    for name in ("backbones_relative", "backbones_agreement"):
        assert (tmp_path / "figures" / f"{name}.png").stat().st_size > 1000
        assert f'id="figure-{name}"' in text
    for name, folder in found.folders().items():
        assert f'<a href="{folder}/report.html">{name}</a>' in text
    # Beside those, only the paper's address.
    assert {one for one in re.findall(r'href="([^#][^"]*)"', text) if not one.startswith("data:")} == {
        "https://arxiv.org/abs/2308.03580",
        *(f"{folder}/report.html" for folder in found.folders().values()),
    }
    assert "howfar.compare_backbones(" in text
    value = found[NAMES[0]].datasets[0]
    assert value.relative_ci is not None
    assert f"{value.relative:.2f} [{value.relative_ci[0]:.2f}, {value.relative_ci[1]:.2f}]" in text


def test_the_call_it_shows_gives_it_again(found: BackboneComparison, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {}
    exec(rerun_backbones(found), scope)
    assert scope["found"].to_frame().equals(found.to_frame())


def test_the_figure_shows_every_number(found: BackboneComparison) -> None:
    figure = backbones_relative(found)
    axes = figure.axes[0]
    frame = found.to_frame()
    for name in NAMES:
        (line,) = [one for one in axes.get_lines() if one.get_label() == name]
        assert sorted(line.get_xdata()) == pytest.approx(sorted(frame[frame["backbone"] == name]["relative"]))
    limited = backbones_relative(found, limit=2)
    assert len(limited.axes[0].get_yticklabels()) == 2
    assert "farthest 2" in limited.get_suptitle()


def test_the_triangles_hold_the_correlations(found: BackboneComparison) -> None:
    figure = backbones_agreement(found)
    for axes, value in zip(figure.axes, found.agreed(*NAMES), strict=True):
        assert value is not None
        assert f"{value:+.2f}".replace("-", "−") in [text.get_text() for text in axes.texts]


def test_every_backbone_has_a_look(found: BackboneComparison) -> None:
    seen = looks(found)
    assert list(seen) == [*NAMES, *found.trivial]
    assert len({(look.colour, look.marker) for look in seen.values()}) == len(seen)


def test_words_where_they_agree(found: BackboneComparison) -> None:
    same = ordered(found, pixels=[1.0, 1.2, 1.4, 1.6], colour_moments=[2.0, 2.2, 2.4, 2.6])
    names = [dataset.name for dataset in same.comparisons[0].datasets]
    assert words.lead(same) == f"Both backbones find {names[3]} farthest. Both backbones find {names[0]} nearest."
    assert "exactly the same order" in words.sets_sentence(same)
    assert any("4 datasets" in one for one in words.limits(same))


def test_words_where_they_do_not(found: BackboneComparison) -> None:
    opposite = ordered(found, pixels=[1.0, 1.2, 1.4, 1.6, 1.8], colour_moments=[1.8, 1.6, 1.4, 1.2, 1.0])
    names = [dataset.name for dataset in opposite.comparisons[0].datasets]
    said = words.lead(opposite)
    assert f"They do not agree on the farthest dataset: {names[4]} by pixels and {names[0]} by colour_moments." in said
    assert "rather the opposite order (Spearman −1.00)" in words.sets_sentence(opposite)
    assert not any("says little" in one for one in words.limits(opposite))


def test_words_of_one_dataset(found: BackboneComparison) -> None:
    single = ordered(found, pixels=[1.1], colour_moments=[1.3])
    assert words.lead(single) == "With one secondary dataset 2 backbones have no order to agree on."
    assert words.sets_sentence(single) == words.trivial_sentence(single) == ""


def test_words_about_images(found: BackboneComparison) -> None:
    for value, meaning in ((0.9, "much the same"), (0.5, "partly the same"), (0.1, "depends on the backbone")):
        row = {"one": NAMES[0], "other": NAMES[1], "dataset": "a", "n": 9, "spearman": value, "low": 0.0, "high": 1.0}
        told = words.images_sentence(replace(found, agreement=pd.DataFrame([row])))
        assert meaning in told
        assert f"{value:+.2f} between pixels and colour_moments" in told
