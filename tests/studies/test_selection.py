"""The selection study: what is read of runs, evaluations, maps and lists, what `auto` takes, and first labels."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import howfar
from howfar.data import Dataset
from howfar.data.label_files import read_export
from howfar.demo import write_dataset
from howfar.errors import InputError, MissingPathError
from howfar.metrics import histogram
from howfar.metrics.image_structure import FEATURES
from howfar.metrics.label_free_signals import class_entropy
from howfar.results import Comparison, Evaluation, Provenance, Relation, Selection
from howfar.selection import every, named
from howfar.selection.candidates import FunctionStrategy
from howfar.studies.select_images import select

FEATURE_STRATEGIES = ("kcenter", "typiclust", "kmedoids", "probcover", "kmeanspp", "herding")
SIGNALS = {"uncertainty": "entropy", "flip_disagreement": "flip_agreement", "foreground": "predicted_foreground"}
M = 30


def rows(seed: int, n: int, shift: float = 0.0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(shift, 1.0, size=(n, 12)) * np.linspace(2, 0.5, 12)


@pytest.fixture(scope="module")
def run() -> Comparison:
    found = howfar.compare(
        rows(0, 40), {"near": rows(1, 20, 0.3), "site": rows(2, M, 1.0)}, components=6, bootstrap=0, permutations=0
    )
    images = found.images.assign(
        path=[f"/data/{dataset}/{image}.png" for dataset, image in found.images[["dataset", "image"]].to_numpy()]
    )
    return replace(found, images=images)


@pytest.fixture
def site(run: Comparison) -> pd.DataFrame:
    return run.images[run.images["dataset"] == "site"].reset_index(drop=True)


@pytest.fixture
def evaluated(site: pd.DataFrame) -> Callable[..., Evaluation]:
    """An evaluation of "site" or another set without masks, with the signals named."""

    def make(dataset: str = "site", images: pd.DataFrame = site, tuned: float | None = None, **columns: Any) -> Evaluation:
        rng = np.random.default_rng(7)
        signals = {name: rng.uniform(0.1, 0.9, len(images)) for name in SIGNALS.values()} | columns
        frame = images[["image", "content"]].assign(
            dataset=dataset, performance=np.nan, **{name: value for name, value in signals.items() if value is not None}
        )
        scores, rows = {"ods_threshold": tuned}, frame.reset_index(drop=True)
        return Evaluation(
            dataset, "segmentation", "F", 0.5, 0.0, len(frame), 0, scores, rows, provenance=Provenance.now()
        )  # fmt: skip

    return make


def names(found: Selection) -> list[str]:
    return [pick.image for pick in found.picks]


@pytest.mark.parametrize("strategy", [one.name for one in every() if not set(one.needs) - {"distance", "features"}])
def test_every_strategy_that_a_run_is_enough_for(strategy: str, run: Comparison, site: pd.DataFrame) -> None:
    found = howfar.select(run, "site", 7, strategy)
    assert len(set(names(found))) == len(found) == 7
    assert set(names(found)) <= set(site["image"])
    assert [pick.rank for pick in found.picks] == list(range(1, 8))
    assert (found.primary, found.dataset, found.strategy, found.n, found.labelled) == ("primary", "site", strategy, M, 0)
    assert found.nested is named(strategy).nested
    for pick in found.picks:
        row = site[site["image"] == pick.image].iloc[0]
        assert (pick.path, pick.distance) == (row["path"], row["i_dist_scaled"])
        assert pick.reason


@pytest.mark.parametrize("strategy", FEATURE_STRATEGIES)
def test_a_run_of_two_components_is_refused_with_the_remedy(strategy: str, run: Comparison) -> None:
    old = replace(run, images=run.images.drop(columns=[f"pc{number}" for number in range(3, 7)]))
    line = (
        f"the strategy {strategy} needs all 6 components of images of site and the run holds 2: run compare again, which keeps"
    )
    with pytest.raises(InputError, match=line):
        howfar.select(old, "site", 3, strategy)
    assert len(howfar.select(old, "site", 3, "far")) == 3


@pytest.mark.parametrize(("strategy", "signal"), SIGNALS.items())
def test_signals_come_from_files_named_after_their_datasets(strategy, signal, run, site, evaluated, tmp_path):
    values = np.random.default_rng(3).permutation(M) / M
    for of in (evaluated(**{signal: values}), evaluated("near", run.images[run.images["dataset"] == "near"])):
        of.images.drop(columns="dataset").to_parquet(tmp_path / f"{of.dataset}.parquet")
    found = howfar.select(run, "site", 4, strategy, performance=[*tmp_path.iterdir()])
    if strategy != "foreground":
        order = np.argsort(values if strategy == "flip_disagreement" else -values)
        assert names(found) == site["image"].iloc[order[:4]].tolist()
        assert f"{values[order[0]]:.4f}" in found.picks[0].reason
    else:
        for pick in found.picks:
            share = values[int(np.flatnonzero(site["image"] == pick.image)[0])]
            assert pick.reason.endswith(f"{100 * share:.2f} %")


@pytest.mark.parametrize(("strategy", "signal"), SIGNALS.items())
def test_what_is_missing_and_where_to_get_it_is_said(strategy, signal, run, evaluated):
    line = f"the strategy {strategy} needs the {signal} of images of site: pass as performance what howfar evaluate"
    line += " --flipped DIR -o" if strategy == "flip_disagreement" else " -o"
    nothing = evaluated(**{signal: np.full(M, np.nan)})
    other = evaluated("near", run.images[run.images["dataset"] == "near"])
    for performance in (None, evaluated(**{signal: None}), nothing, other):
        with pytest.raises(InputError, match=line) as caught:
            howfar.select(run, "site", 2, strategy, performance=performance)
        assert "\n" not in str(caught.value)


def test_images_without_a_prediction_are_not_chosen_and_counted(run: Comparison, evaluated: Callable[..., Evaluation]) -> None:
    entropy = np.linspace(0.1, 0.6, M)
    entropy[[28, 29]] = np.nan
    found = howfar.select(run, "site", 3, "uncertainty", performance=evaluated(entropy=entropy))
    assert found.picks[0].reason == f"mean entropy {entropy[27]:.4f}, among the highest"
    assert found.notes == (f"2 of {M} images of site have no entropy: they cannot be chosen",)
    with pytest.raises(InputError, match="k must be at most 28"):
        howfar.select(run, "site", 29, "uncertainty", performance=evaluated(entropy=entropy))


def test_foreground_is_taken_at_the_primary_s_threshold(run: Comparison, evaluated: Callable[..., Evaluation]) -> None:
    """A set's own evaluation may count it at a threshold that looked at the set's masks."""
    histogram = np.zeros((M, 256), dtype=np.int64)
    histogram[:, 0], histogram[:, 150] = 90, 10  # a tenth at p = 0.59
    of_site = evaluated(histogram=list(histogram), predicted_foreground=np.full(M, 0.77))
    own = evaluated("primary", run.images.head(2), tuned=0.8)
    at_half = howfar.select(run, "site", 1, "foreground", performance=of_site)
    assert at_half.picks[0].reason.endswith("10.00 %")
    tuned = howfar.select(run, "site", 1, "foreground", performance=[of_site, own])
    assert tuned.picks[0].reason.endswith("0.00 %")
    assert "foreground is predicted in 0 of the images" in tuned.notes[0]


def test_labelled_images_are_named_by_name_path_list_or_table(run: Comparison, site: pd.DataFrame, tmp_path: Path) -> None:
    first = howfar.select(run, "site", 3)
    wanted = names(howfar.select(run, "site", 7))[3:]
    first.to_frame()[["image"]].to_csv(tmp_path / "names.csv", index=False)
    (tmp_path / "paths.txt").write_text("\n".join(first.paths))
    for labelled in (
        names(first),
        [Path(path) for path in first.paths],
        *(tmp_path / name for name in ("names.csv", "paths.txt")),
    ):
        found = howfar.select(run, "site", 4, labelled=labelled)
        assert names(found) == wanted
        assert (found.labelled, found.notes) == (3, ())


def test_a_strategy_of_ones_own_reads_what_a_run_holds(run: Comparison, site: pd.DataFrame) -> None:
    class Farthest:
        name, needs, nested = "farthest", ("knn",), True

        def pick(self, columns: Any, k: int, rng: np.random.Generator, labelled: Any = None) -> Any:
            return np.argsort(-columns["knn"])[:k]

        def reason(self, values: Any) -> str:
            return f"kNN distance {values['knn']:.2f}"

    found = howfar.select(run, "site", 2, Farthest())
    assert names(found) == site.nlargest(2, "knn")["image"].tolist()
    assert found.picks[0].reason == f"kNN distance {site['knn'].max():.2f}"
    blind = Farthest()
    blind.needs = ("colour",)
    with pytest.raises(InputError, match="the strategy farthest needs colour of images of site, which no run holds"):
        howfar.select(run, "site", 2, blind)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("primary", 3), "dataset must be a secondary dataset"), (("site", 2.0), "k must"), (("site", True), "k must")],
)
def test_bad_arguments_are_one_line(arguments: tuple[Any, ...], message: str, run: Comparison) -> None:
    with pytest.raises(InputError, match=message) as caught:
        howfar.select(run, *arguments)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def related_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two secondaries in a folder."""
    sites = {"near": rows(1, 30, 0.3), "site": rows(2, 30, 1.0)}
    comparison = howfar.compare(rows(0, 40, 0.0), sites, bootstrap=0, permutations=0)
    return comparison.save(tmp_path_factory.mktemp("auto") / "run")


def related(run_folder: Path, slope: dict[str, float]) -> None:
    """Relate performances to distance, which change by so much over the distances of each dataset."""
    images = Comparison.load(run_folder).images
    tables = []
    for name, change in slope.items():
        mine = images[images["dataset"] == name]
        values = (0.5 + change * (mine["i_dist_scaled"] - 0.5)).clip(0, 1)
        tables.append(pd.DataFrame({"image": mine["image"], "performance": values, "dataset": name}))
    pd.concat(tables).to_csv(run_folder.parent / "performance.csv", index=False)
    howfar.relate(run_folder, run_folder.parent / "performance.csv", bootstrap=50).save(run_folder)


@pytest.fixture
def run_folder(related_run: Path, tmp_path: Path) -> Path:
    return Comparison.load(related_run).save(tmp_path / "run")


def test_auto_takes_random_even_where_performance_falls_with_distance(run_folder: Path, tmp_path: Path) -> None:
    related(run_folder, {"near": -0.8})
    assert Relation.load(run_folder).datasets[0].verdict.kind == "falls"
    found = howfar.select(run_folder, "near", 5)
    assert found.strategy == "random"
    assert found.why == "auto took random: no strategy has been shown to beat random (howfar strategies)"
    assert found.footer()[0] == found.remarks()[0] == found.why
    assert Selection.load(found.save(tmp_path / "out")).why == found.why
    chosen = howfar.select(run_folder, "near", 5, "random")
    assert (chosen.picks, chosen.why) == (found.picks, "")
    assert howfar.select(Comparison.load(run_folder), "near", 5).picks == found.picks


MAPPED = 12
OF_MAPS = ("objects", "stratified_entropy", "share_quantiles", "foreground_random")


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Comparison, Evaluation, Path]:
    """A run by pixels, and an evaluation of soft maps of its site, whose image 0 has nothing predicted."""
    root = tmp_path_factory.mktemp("roads")
    primary, site = (write_dataset(root / name, MAPPED, seed=k, size=48) for k, name in enumerate(("p", "site")))
    (root / "maps").mkdir()
    for number, file in enumerate(sorted((site / "masks").iterdir())):
        mask = np.asarray(Image.open(file).convert("L")) > 127
        p = np.where(mask & (number > 0), 150 + 8 * number, 20).astype(np.uint8)
        Image.fromarray(p).save(root / "maps" / file.name)
    run = howfar.compare(primary, [site], "pixels", components=4, bootstrap=0, permutations=0, baselines=False, progress=False)
    blind = Dataset.from_folder(site).without_masks()
    return run, howfar.evaluate(blind, root / "maps", threshold=0.5, progress=False), root


@pytest.mark.parametrize("strategy", [*OF_MAPS, "ridge_response"])
def test_images_are_chosen_from_files(strategy: str, mapped: tuple[Comparison, Evaluation, Path]) -> None:
    run, evaluation, root = mapped
    evaluation.save(root / "site.parquet")
    first = select(run, "site", 5, strategy, performance=root / "site.parquet")
    assert len({pick.image for pick in first.picks}) == 5
    assert all(pick.reason for pick in first.picks)
    assert [pick.image for pick in select(run, "site", 5, strategy, performance=evaluation).picks] == [
        pick.image for pick in first.picks
    ]


def test_each_image_gets_the_columns_of_its_own_map(mapped: tuple[Comparison, Evaluation, Path]) -> None:
    run, evaluation, root = mapped
    seen: dict[str, np.ndarray] = {}

    def rule(pool, k, rng):  # type: ignore[no-untyped-def]  # it only looks
        seen.update(pool.columns)
        return np.arange(k)

    needs = ("regions", "foreground_entropy", "background_entropy", "ridge_response")
    looking = FunctionStrategy("looking", needs, True, rule, lambda values: "seen")
    select(run, "site", MAPPED, looking, performance=evaluation)
    assert seen["regions"].shape == (MAPPED, 16, len(FEATURES))
    # Image 0 has no foreground, and those after it are the surer the later.
    first = seen["regions"][:, 0]
    assert (first[:, 0] > 0).tolist() == [False] + [True] * (MAPPED - 1)
    np.testing.assert_allclose(first[1:, FEATURES.index("probability_mean")], (150 + 8 * np.arange(1, MAPPED)) / 255)
    for number, file in enumerate(sorted((root / "maps").iterdir())):
        wanted = class_entropy(histogram(np.asarray(Image.open(file))), 0.5)
        assert (seen["foreground_entropy"][number], seen["background_entropy"][number]) == pytest.approx(wanted)
    assert (seen["ridge_response"] > 0).all()


def test_what_is_missing_is_said_in_one_line(mapped: tuple[Comparison, Evaluation, Path]) -> None:
    run, evaluation, _ = mapped
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


FEW = 5


@pytest.fixture(scope="module")
def labelled_roads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of roads against a site, and maps of the site in which the foreground is p = 0.4."""
    folder = tmp_path_factory.mktemp("first")
    for seed, name in enumerate(("roads", "site")):
        write_dataset(folder / name, FEW, seed=seed, size=32)
    (folder / "maps").mkdir()
    for k in range(1, FEW + 1):
        shown = np.zeros((32, 32), np.uint8)
        shown[:k, :3] = 102
        Image.fromarray(shown).save(folder / "maps" / f"{k:04}.png")
    compared = howfar.compare(
        str(folder / "roads"), str(folder / "site"), "colour_moments", store=folder / "store", bootstrap=0, permutations=0,
        baselines=False, rivals=False, progress=False,
    )  # fmt: skip
    compared.save(folder / "run")
    return folder


@pytest.fixture
def roads_run(labelled_roads: Path, tmp_path: Path) -> Path:
    return Comparison.load(labelled_roads / "run").save(tmp_path / "run")


def areas(folder: Path) -> dict[str, int]:
    images = read_export(folder / "coco.json").images
    return {image.name: int(sum(mark.draw().sum() for mark in image.marks if mark.draw)) for image in images}


def test_what_is_missing_or_does_not_fit_is_noted(roads_run: Path, labelled_roads: Path, tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    maps.mkdir()
    Image.new("L", (32, 32), 255).save(maps / "0001.png")
    Image.new("L", (16, 32), 255).save(maps / "0002.png")
    with pytest.warns(UserWarning, match="first label") as caught:
        howfar.select(roads_run, "site", FEW, predictions=maps, out=tmp_path / "out")
    assert [str(warning.message).partition(" images ")[0] for warning in caught] == ["3 of 5", "1 of 5"]
    assert "(0002.jpg: its map is of 16×32 pixels, the image of 32×32)" in str(caught[1].message)
    assert areas(tmp_path / "out")["0001.jpg"] == 32 * 32


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"predictions": "none.txt"}, InputError, "predictions must be a folder of maps, a table of classes"),
        ({"predictions": "none.json"}, MissingPathError, "none.json"),
        ({"min_score": 0.5}, InputError, "min_score is of no use without boxes"),
    ],
)
def test_first_labels_that_cannot_be_read_are_one_line(options, error, words, roads_run):
    with pytest.raises(error, match=words) as caught:
        howfar.select(roads_run, "site", 2, **options)
    assert "\n" not in str(caught.value)
