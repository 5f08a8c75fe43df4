"""The page of an adaptation study: its rows, the switch between models, predictions and F before and after."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explore_pages import eventually, served, violations
from figures import believable_adaptation
from howfar.explore.image_rows_and_positions import adaptation_points
from howfar.results.adaptation_result import Adaptation


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Adaptation:
    """A study of one strategy and two seeds in a folder, of which the first has maps."""
    folder = tmp_path_factory.mktemp("study")
    options: dict[str, Any] = {"strategies": ("far",), "seeds": (0, 1), "background_shots": (), "blind": {}, "bootstrap": 5}
    made = believable_adaptation.make(folder, sizes={"decks": 12, "<b>walls": 10}, **options)
    made.save(folder)
    return made


def names_of(study: Adaptation) -> list[str]:
    """Return the models of a seed, that of P alone first; in this study the last one learnt from seven images."""
    names = list(dict.fromkeys(study.models["model"]))
    assert (names[0], names[-1]) == ("M", "far-7")
    return names


def test_rows_are_the_images_and_models_have_values_of_their_own(study: Adaptation) -> None:
    assert study.folder is not None
    points = adaptation_points(study, study.folder)
    assert [(model.seed, model.name) for model in points.models] == [
        (seed, name) for seed in (0, 1) for name in names_of(study)
    ]
    assert len(points) == points.secondary_count == len(study.images.drop_duplicates(["dataset", "image"]))
    assert points.places.planes == ()
    after = points.models[names_of(study).index("far-7")]
    rows = study.images[(study.images["seed"] == 0) & (study.images["model"] == "far-7")].set_index(["dataset", "image"])
    keys = list(zip(points.rows["dataset"], points.rows["image"], strict=True))
    expected = [rows["f"].get(key, np.nan) for key in keys]
    assert np.array_equal(after.performance, expected, equal_nan=True)
    assert [bool(path) for path in after.predictions] == [bool(rows["map"].get(key)) for key in keys]
    assert len(adaptation_points(study, study.folder, 3).models) == 3


def test_a_map_outside_of_the_folder_is_none(study: Adaptation, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"")
    folder = tmp_path / "study"
    folder.mkdir()
    moved = replace(study, images=study.images.assign(map="../secret.png"))
    assert not any(path for model in adaptation_points(moved, folder).models for path in model.predictions)


def test_the_switch_shows_before_and_after(study: Adaptation, browser: Any) -> None:
    with served(browser, Path(str(study.folder))) as (page, noise, _):
        assert page.locator(".view-plane").count() == 0
        page.locator(".tile .open").first.click()
        switch = page.locator(".by-model button")
        assert [text.split(":")[0] for text in switch.all_inner_texts()] == names_of(study)
        assert all(": F 0" in text for text in switch.all_inner_texts())
        page.locator(".looks button", has_text="prediction").click()
        assert page.locator(".picture img").get_attribute("src").startswith("prediction/")
        before = page.locator(".picture img").get_attribute("src")
        switch.last.click()
        assert page.locator(".picture img").get_attribute("src") == f"{before}/{len(names_of(study)) - 1}"
        after = switch.last.inner_text().split("F ")[1]
        assert page.locator(".facts tr", has_text="F").first.locator("td").inner_text() == after
        page.locator(".looks button", has_text="overlap").click()
        page.wait_for_selector(".picture canvas")
        assert violations(page) == []
        page.keyboard.press("Escape")
        assert page.get_by_label("Model").input_value() == "far-7"
        page.get_by_label("Seed").select_option("1")
        page.get_by_label("Sort by").select_option("gain")
        eventually(lambda: page.locator(".tile .value").first.inner_text() != "")
        assert noise == []
