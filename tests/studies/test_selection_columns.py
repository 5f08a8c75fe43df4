"""Strategies that read maps and images, from files: evaluated maps of drawn roads, a run, and what is chosen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import howfar
from howfar.data import Dataset
from howfar.demo import write_dataset
from howfar.errors import InputError
from howfar.metrics import histogram
from howfar.metrics.image_structure import FEATURES
from howfar.metrics.label_free_signals import class_entropy
from howfar.results import Comparison, Evaluation
from howfar.selection.strategy import FunctionStrategy
from howfar.studies.select_images import select

M = 12
OF_MAPS = ("objects", "stratified_entropy", "share_quantiles", "foreground_random")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Comparison, Evaluation, Path]:
    """A run by pixels, and an evaluation of soft maps of its site, whose image 0 has nothing predicted."""
    root = tmp_path_factory.mktemp("roads")
    primary, site = (write_dataset(root / name, M, seed=k, size=48) for k, name in enumerate(("p", "site")))
    (root / "maps").mkdir()
    for number, file in enumerate(sorted((site / "masks").iterdir())):
        mask = np.asarray(Image.open(file).convert("L")) > 127
        p = np.where(mask & (number > 0), 150 + 8 * number, 20).astype(np.uint8)
        Image.fromarray(p).save(root / "maps" / file.name)
    run = howfar.compare(primary, [site], "pixels", components=4, bootstrap=0, permutations=0, baselines=False, progress=False)
    blind = Dataset.from_folder(site).without_masks()
    return run, howfar.evaluate(blind, root / "maps", threshold=0.5, progress=False), root


@pytest.mark.parametrize("strategy", [*OF_MAPS, "ridge_response"])
def test_images_are_chosen_from_files(strategy: str, made: tuple[Comparison, Evaluation, Path]) -> None:
    run, evaluation, root = made
    evaluation.save(root / "site.parquet")
    first = select(run, "site", 5, strategy, performance=root / "site.parquet")
    assert len({pick.image for pick in first.picks}) == 5
    assert all(pick.reason for pick in first.picks)
    assert [pick.image for pick in select(run, "site", 5, strategy, performance=evaluation).picks] == [
        pick.image for pick in first.picks
    ]


def test_each_image_gets_the_columns_of_its_own_map(made: tuple[Comparison, Evaluation, Path]) -> None:
    run, evaluation, root = made
    seen: dict[str, np.ndarray] = {}

    def rule(pool, k, rng):  # type: ignore[no-untyped-def]  # it only looks
        seen.update(pool.columns)
        return np.arange(k)

    needs = ("regions", "foreground_entropy", "background_entropy", "ridge_response")
    looking = FunctionStrategy("looking", needs, True, rule, lambda values: "seen")
    select(run, "site", M, looking, performance=evaluation)
    assert seen["regions"].shape == (M, 16, len(FEATURES))
    # Image 0 has no foreground, and those after it are the surer the later.
    first = seen["regions"][:, 0]
    assert (first[:, 0] > 0).tolist() == [False] + [True] * (M - 1)
    np.testing.assert_allclose(first[1:, FEATURES.index("probability_mean")], (150 + 8 * np.arange(1, M)) / 255)
    for number, file in enumerate(sorted((root / "maps").iterdir())):
        wanted = class_entropy(histogram(np.asarray(Image.open(file))), 0.5)
        assert (seen["foreground_entropy"][number], seen["background_entropy"][number]) == pytest.approx(wanted)
    assert (seen["ridge_response"] > 0).all()


def test_what_is_missing_is_said_in_one_line(made: tuple[Comparison, Evaluation, Path]) -> None:
    run, evaluation, _ = made
    for strategy, line in (
        ("objects", "needs the maps of images of site: pass as performance what howfar evaluate --predictions DIR -o FILE"),
        ("stratified_entropy", "needs the histogram of images of site: pass as performance what howfar evaluate -o FILE"),
    ):
        with pytest.raises(InputError, match=f"the strategy {strategy} {line}") as caught:
            select(run, "site", 2, strategy)
        assert "\n" not in str(caught.value)
    forgotten = replace(evaluation, images=evaluation.images.assign(prediction=""))
    with pytest.raises(InputError, match="needs the maps"):
        select(run, "site", 2, "objects", performance=forgotten)
    gone = replace(run, images=run.images.assign(path="/no/such/file.png"))
    with pytest.raises(InputError, match="ridge_response needs the images of site, and no file of the run can be read"):
        select(gone, "site", 2, "ridge_response")
