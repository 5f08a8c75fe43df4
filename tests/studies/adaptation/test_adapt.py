"""The adaptation study on tiny synthetic roads: who learns from what, who is scored on what, and what is kept."""

import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import howfar
from howfar.adaptation_ways import TUNED
from howfar.data import Dataset, content_hash
from howfar.data.image_groups_and_variations import HashedDataset
from howfar.demo import write_dataset
from howfar.errors import HowfarError, InputError, LeakError
from howfar.metrics import at_threshold, ods
from howfar.option_checks_and_signatures import checked
from howfar.options_by_function import AdaptOptions
from howfar.relation.performance_by_distance import split as split_at
from howfar.results import Evaluation
from howfar.results.adaptation_result import Adaptation
from howfar.results.display_and_shared_records import matching
from howfar.segmenters import segmenter_family
from howfar.segmenters.checkpoint import Checkpoint, CheckpointCard
from howfar.studies.adaptation import adapt as module
from howfar.studies.adaptation.adapt import Study, _same, adapt, bakeoff
from howfar.studies.adaptation.adaptation_tables import arms_of, check_unseen
from howfar.studies.performance.image_performance import counts_of
from howfar.training.image_mask_pairs import examples_of, fingerprint_of, split
from howfar.training.train import TrainingTask
from howfar.training.training_settings import settings_for

pytestmark = pytest.mark.usefixtures("undrawn")
TRAINING: dict[str, Any] = {"size": 32, "epochs": 1, "batch": 8, "options": {"width": 4}, "bootstrap": 50, "progress": False}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """P, two secondaries of which the second holds tiles, background, and a blind set without masks."""
    root = tmp_path_factory.mktemp("roads")
    counts = {"road": 16, "site": 12, "tiles": 16, "plain": 4, "new": 3}
    made = [
        write_dataset(root / name, count, seed=k, shift=0.3 * (k in (1, 2)), size=40)
        for k, (name, count) in enumerate(counts.items())
    ]
    for part in ("images", "masks"):
        for k, file in enumerate(sorted((made[2] / part).iterdir())):
            file.rename(file.with_stem(f"p{k // 2}-{k % 2}"))
    for file in (made[4] / "masks").iterdir():
        file.unlink()
    (made[4] / "masks").rmdir()
    return made


def run(folders: list[Path], out: Path | str, **changes: Any) -> Adaptation:
    chosen = {"shots": (1, 3), "strategies": ("far", "random", "kmedoids"), **TRAINING, **changes}
    return adapt(folders[0], folders[1:3], "deepcrack", out=out, **chosen)


@pytest.fixture(scope="module")
def done(folders: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Adaptation, Path]:
    out = tmp_path_factory.mktemp("study")
    return run(folders, out, seeds=(0, 1), background=folders[3], background_shots=(2,), blind=[folders[4]]), out


def contents(folder: Path) -> dict[str, str]:
    return {file.name: content_hash(file.read_bytes()) for file in (folder / "images").iterdir()}


def test_nothing_that_any_model_learnt_from_is_scored(done: tuple[Adaptation, Path], folders: list[Path]) -> None:
    found, out = done
    learnt: set[str] = set()
    for file in (out / "models").rglob("*.safetensors"):
        learnt |= set(Checkpoint.load(file).card.data["contents"])
    assert set(found.picks["content"]) <= learnt
    for folder in folders[1:3]:
        hashes = contents(folder)
        scored = set(found.images.loc[found.images["dataset"] == folder.name, "image"])
        assert scored
        assert not {hashes[name] for name in scored} & learnt


def test_all_models_are_scored_on_the_same_images(done: tuple[Adaptation, Path]) -> None:
    images = done[0].images
    sets = images.groupby(["seed", "model", "dataset"])["image"].agg(frozenset).unstack("dataset")
    given = {"shots": (1, 3), "strategies": ("far", "near", "random"), "background_shots": (2,)}
    assert len(sets) == 2 * len(["M", *arms_of(checked(AdaptOptions, given))])
    assert set(sets.columns) == {"site", "tiles", "plain", "new"}
    assert sets.nunique().tolist() == [1, 1, 1, 1]


def test_other_tiles_of_a_chosen_photograph_are_left_out(done: tuple[Adaptation, Path]) -> None:
    found = done[0]
    chosen = {name.partition("-")[0] for name in found.picks.loc[found.picks["dataset"] == "tiles", "image"]}
    scored = {name.partition("-")[0] for name in found.images.loc[found.images["dataset"] == "tiles", "image"]}
    assert chosen
    assert scored
    assert not chosen & scored


def test_each_model_learns_from_p_and_its_own_images_alone(done: tuple[Adaptation, Path]) -> None:
    found, out = done
    baseline = Checkpoint.load(out / "models/seed1/M.safetensors").card.data
    for model in ("far-1", "random-3", "kmedoids-3", "kmedoids-3-B2"):
        strategy, shots, *more = model.split("-")
        card = Checkpoint.load(out / f"models/seed1/{model}.safetensors").card.data
        here = found.picks[(found.picks["seed"] == 1) & (found.picks["strategy"] == strategy)]
        here = here[here["shots"] == (int(shots) if strategy == "kmedoids" else 3)]
        wanted = set(here.loc[here["rank"] <= int(shots), "content"])
        assert len(wanted) == 2 * int(shots)
        added = [content for content in card["contents"] if content not in set(baseline["contents"])]
        assert wanted <= set(added)
        assert len(added) == len(wanted) + (2 if more else 0)
        assert card["held_out"] == baseline["held_out"]


def test_an_image_that_was_learnt_from_stops_the_study(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(Study, "_unseen", lambda self, hashed, taken: hashed.dataset)
    with pytest.raises(LeakError, match="images that a model learnt from were about to be evaluated"):
        run(folders, tmp_path, shots=(1,), strategies=("far",))


def test_unseen_is_judged_by_content_and_not_by_name(folders: list[Path]) -> None:
    known = HashedDataset.of(Dataset.from_folder(folders[1]), None)
    first = known.dataset.items[0].name
    check_unseen(known, known.dataset, {"another"})
    with pytest.raises(LeakError, match=f"first: {first}"):
        check_unseen(known, known.dataset, {known.contents[first]})
    check_unseen(known, known.without({known.contents[first]}).dataset, {known.contents[first]})


def test_a_study_goes_on_from_the_models_that_are_there(folders: list[Path], tmp_path: Path) -> None:
    given: dict[str, Any] = {"shots": (1,), "strategies": ("random",), "background": folders[3], "background_shots": (1,)}
    found, out = run(folders, tmp_path, **given, blind=[folders[4]]), tmp_path
    lost = out / "models/seed0/random-1.safetensors"
    weights = Checkpoint.load(lost).card.weights
    kept = {file: file.stat().st_mtime_ns for file in out.rglob("*.safetensors") if file != lost}
    lost.unlink()
    again = run(folders, out, **given, blind=[folders[4]])
    assert {file: file.stat().st_mtime_ns for file in out.rglob("*.safetensors") if file != lost} == kept
    assert Checkpoint.load(lost).card.weights == weights
    assert again.scores.equals(found.scores)


def test_with_a_pool_one_half_is_chosen_from_and_the_other_scored(folders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = run(folders, "study", shots=(1, 2), strategies=("random",), pool=0.5, start="tuned")
    assert all((tmp_path / "study" / name).is_file() for name in found.images["map"])
    for folder in folders[1:3]:
        known = HashedDataset.of(Dataset.from_folder(folder), None)
        pool, rest = known.divided(0.5, 0)
        assert set(found.picks.loc[found.picks["dataset"] == folder.name, "image"]) <= set(pool)
        assert set(found.images.loc[found.images["dataset"] == folder.name, "image"]) == set(rest)
    began = Checkpoint.load(tmp_path / "study/models/seed0/random-2.safetensors").card.data["started_from"]
    assert began == Checkpoint.load(tmp_path / "study/models/seed0/M.safetensors").card.weights


def test_gains_are_differences_of_the_same_images(done: tuple[Adaptation, Path]) -> None:
    found = done[0]
    wide = found.images.pivot_table(index=["dataset", "seed", "image"], columns="model", values="f", dropna=False)
    by_set = (wide["far-3"] - wide["M"]).groupby(["dataset", "seed"]).mean().groupby("dataset").mean()
    row = found.gains[(found.gains["model"] == "far-3") & (found.gains["dataset"] == "all")].iloc[0]
    assert row["gain"] == pytest.approx(by_set.mean())
    assert row["low"] <= row["gain"] <= row["high"]
    over = (wide["far-3"] - wide["random-3"]).groupby(["dataset", "seed"]).mean().groupby("dataset").mean()
    assert row["over_random"] == pytest.approx(over.mean())
    assert np.isnan(found.gains.loc[found.gains["model"] == "random-3", "over_random"]).all()


def test_false_positives_are_counted_on_background_that_was_left_out(done, folders):
    found, out = done
    learnt = {
        content
        for file in (out / "models").rglob("*-B2.safetensors")
        for content in Checkpoint.load(file).card.data["contents"]
    }
    hashes = contents(folders[3])
    blank = found.images[found.images["dataset"] == "plain"]
    assert len(set(blank["image"])) == 2
    assert not {hashes[name] for name in blank["image"]} & learnt
    assert blank["f"].isna().all()
    row = blank[(blank["model"] == "far-3") & (blank["seed"] == 0)].iloc[0]
    threshold = found.models[(found.models["model"] == "far-3") & (found.models["seed"] == 0)]["threshold"].iloc[0]
    p = np.asarray(Image.open(out / row["map"])) / 255
    assert row["false_positive_share"] == pytest.approx((p > threshold).mean())
    wide = blank.pivot_table(index=["seed", "image"], columns="model", values="false_positive_share")
    changed = found.suppression[found.suppression["model"] == "far-3-B2"].iloc[0]
    assert changed["of"] == "far-3"
    assert changed["change"] == pytest.approx((wide["far-3-B2"] - wide["far-3"]).mean())
    assert changed["share"] == pytest.approx(wide["far-3-B2"].mean())
    cost = found.images[found.images["f"].notna()].pivot_table(index=["dataset", "seed", "image"], columns="model", values="f")
    by_set = (cost["far-3-B2"] - cost["far-3"]).groupby(["dataset", "seed"]).mean().groupby("dataset").mean()
    assert changed["cost"] == pytest.approx(by_set.mean())
    assert list(found.suppression["model"]) == [
        f"{name}-3{more}" for name in ("far", "random", "kmedoids") for more in ("", "-B2")
    ]


def test_random_has_seeds_of_its_own_in_a_bake_off(folders: list[Path], tmp_path: Path) -> None:
    # The second reads maps.
    names, seeds = ("near", "stratified_entropy"), {"seeds": (0,), "random_seeds": (1, 2)}
    found = bakeoff(folders[0], folders[1:3], "deepcrack", out=tmp_path, strategies=names, shots=(2,), **seeds, **TRAINING)
    assert found.models.groupby("seed")["model"].agg(list).to_dict() == {
        0: ["M", "norm", "near-2", "stratified_entropy-2", "random-2"],
        1: ["M", "norm", "random-2"],
        2: ["M", "norm", "random-2"],
    }
    assert set(found.picks.loc[found.picks["seed"] == 1, "strategy"]) == {"random"}
    assert "1 seed, 3 of random" in found.caption()
    seed0 = found.scores[(found.scores["model"] == "random-2") & (found.scores["seed"] == 0)].set_index("dataset")["mean_f"]
    shown = next(row for row in found.table()[1] if row[0] == "random-2")
    assert [float(cell) for cell in shown[1:3]] == pytest.approx([seed0["site"], seed0["tiles"]], abs=0.002)
    draws = found.picks[(found.picks["strategy"] == "random") & (found.picks["dataset"] == "tiles")]
    assert draws.groupby("seed")["image"].agg(frozenset).nunique() > 1
    assert found.verdict() == (
        "At 2 images of each dataset one seed does not tell whether near or stratified_entropy beats random: "
        "take three or more."
    )
    judged = found.gains[found.gains["dataset"] == "all"].set_index("model")
    assert judged["over_random"].isna().tolist() == [True, False, False, True]
    assert judged["beats_random"].isna().all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"random_seeds": (0,), "strategies": ("random",)}, "seeds and random_seeds must not repeat one"),
        ({"way": "finetun"}, "did you mean 'finetune'?"),
        ({"without_labels": ("finetune",), "pool_share": 0.5}, "without_labels must be ways that need no label"),
        ({"without_labels": ("selftrain",)}, "pool_share must be given for selftrain"),
        ({"way": "selftrain"}, "pool_share must be given for selftrain"),
        ({"way": "finetune", "start": "tuned"}, "start must be anew where the way is not retrain"),
        ({"way": "norm+finetune"}, "way must do finetune first, which learns from the labels of all datasets together"),
        ({"way": "selftrain+scale", "pool_share": 0.5}, "way must do scale first"),
        ({"blind": 4, "without_labels": ("selftrain",), "pool_share": 0.5}, "blind must not be given with selftrain"),
        ({"background": 3, "without_labels": ("selftrain",), "pool_share": 0.5}, "background must not be given with selftrain"),
    ],
)
def test_what_cannot_be_is_one_line(changes: dict[str, Any], words: str, folders: list[Path], tmp_path: Path) -> None:
    datasets = {"blind": folders[4:], "background": folders[3]}
    given = {name: datasets.get(name, value) for name, value in changes.items()}
    with pytest.raises(HowfarError) as caught:
        run(folders, tmp_path / "never", **{"strategies": ("far",), **given})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "never").exists()


def test_a_checkpoint_of_other_masks_weights_or_photographs_is_not_gone_on_with(folders: list[Path]) -> None:
    examples = examples_of(Dataset.from_folder(folders[1]))
    family = segmenter_family("deepcrack")
    settings = settings_for(family, size=32, epochs=1, holdout=0.3)
    task = TrainingTask("deepcrack", {"width": 4}, "site", examples, settings)
    learnt, held = split(examples, settings.holdout, settings.seed)
    data = {
        "contents": [content_hash(one.path.read_bytes()) for one in learnt],
        "held_out": [content_hash(one.path.read_bytes()) for one in held],
        "fingerprint": fingerprint_of(learnt),
        "started_from": None,
        "pretrained": True,
    }
    card = CheckpointCard("deepcrack", dict(family.checked({"width": 4})), 32, "w", settings.model_dump(), data, (), None)
    found = Checkpoint(card, {})
    assert _same(found, task)
    assert not _same(found, replace(task, pretrained=False))
    masks = tuple(replace(one, mask=examples[0].mask) for one in examples)
    assert not _same(found, replace(task, examples=masks))
    tiles = tuple(replace(one, photograph=f"site/{place // 6}") for place, one in enumerate(examples))
    assert not _same(found, replace(task, examples=tiles))


def test_labels_learnt_by_another_way_share_a_model_and_norm_is_each_sites_own(folders, tmp_path, monkeypatch):
    monkeypatch.setattr("howfar.adaptation_ways.TUNED", {**TUNED, "steps": 2, "epochs": 1})
    chosen: dict[str, Any] = {"shots": (2,), "strategies": ("random",), "pool_share": 0.5, "way": "finetune+norm"}
    chosen["without_labels"] = ("norm", "selftrain")
    found = run(folders, tmp_path, **chosen)
    assert list(found.models["model"]) == ["M", "norm", "selftrain", "random-2"]
    assert list(found.models["shots"]) == [0, 0, 0, 2]
    assert found.models["strategy"].isna().tolist() == [True, True, True, False]
    models = {
        file.relative_to(tmp_path / "models/seed0").as_posix(): file
        for file in sorted((tmp_path / "models").rglob("*.safetensors"))
    }
    sites = ("site", "tiles")
    assert set(models) == {"M.safetensors", "random-2.safetensors", *(
        f"{model}/{site}.safetensors" for model in ("norm", "selftrain", "random-2") for site in sites
    )}  # fmt: skip
    shared = Checkpoint.load(models["random-2.safetensors"])
    picked = set(found.picks["content"])
    assert picked <= shared.card.learnt
    for site in sites:
        own = Checkpoint.load(models[f"random-2/{site}.safetensors"]).card.data
        assert own["started_from"] == shared.card.data["started_from"]
        pool = set(own["adapted"]["contents"])
        scored = set(found.images.loc[found.images["dataset"] == site, "image"])
        assert not pool & {contents(folders[1 + sites.index(site)])[name] for name in scored}
        assert (own["adapted"]["way"], own["adapted"]["labels"]) == ("finetune+norm", 4)
        trained = Checkpoint.load(models[f"selftrain/{site}.safetensors"])
        tuned = howfar.evaluate(folders[0], tmp_path / "maps/seed0/selftrain/by-site" / site / "road", partial=True)
        at = tuned.scores["ods_threshold"] or 0.5
        assert tuned.n == len(trained.card.data["held_out"])
        alone = howfar.evaluate(
            folders[1 + sites.index(site)], tmp_path / "maps/seed0/selftrain" / site, threshold=at, partial=True
        )
        scored_f = found.images.query("model == 'selftrain' and dataset == @site").set_index("image")["f"]
        assert alone.images.set_index("image")["performance"].reindex(scored_f.index).tolist() == scored_f.tolist()
    gains = found.gains[found.gains["dataset"] == "all"].set_index("model")
    assert set(gains.index) == {"norm", "selftrain", "random-2"}
    assert gains["gain"].notna().all()
    before = {name: file.stat().st_mtime_ns for name, file in models.items()}
    again = run(folders, tmp_path, **chosen)
    assert {name: file.stat().st_mtime_ns for name, file in models.items()} == before
    pd.testing.assert_frame_equal(again.gains, found.gains)


def test_an_architecture_without_batch_norm_has_no_norm_model(folders, tmp_path, monkeypatch):
    monkeypatch.setattr("howfar.studies.adaptation.adapt.norm_layers", lambda network: [])
    with pytest.raises(InputError, match="way needs batch norm layers, which deepcrack does not have, got 'finetune\\+norm'"):
        run(folders, tmp_path, shots=(1,), strategies=("random",), way="finetune+norm")
    assert [file.name for file in (tmp_path / "models").rglob("*.safetensors")] == ["M.safetensors"]
    found = run(folders, tmp_path, shots=(1,), strategies=("random",))
    assert list(found.models["model"]) == ["M", "random-1"]
    assert "deepcrack has no batch norm, so that there is no model that norm adapted" in found.notes


class Pickling:
    """Sends tasks as a cluster would, and counts them."""

    processes = True

    def __init__(self) -> None:
        self.tasks: list[Any] = []
        self.running = False

    def run(self, function: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[Any]:
        for task in tasks:
            self.tasks.append(task)
            self.running = True
            yield pickle.loads(pickle.dumps(function))(pickle.loads(pickle.dumps(task)))
            self.running = False

    def reduce(self, function: Any, combine: Any, tasks: Any) -> Any:
        raise NotImplementedError

    def on_processors(self) -> "Pickling":
        return self


def test_all_is_made_by_the_runner_and_the_numbers_are_the_same(folders, tmp_path, monkeypatch):
    runner, here = Pickling(), []
    chosen: dict[str, Any] = {"shots": (1,), "strategies": ("random",), "pool_share": 0.5}
    for name in ("fit", "adapted", "predict"):
        usual = getattr(module, name)

        def noted(*given: Any, name: str = name, usual: Any = usual, **more: Any) -> Any:
            here.extend([] if runner.running else [name])
            return usual(*given, **more)

        monkeypatch.setattr(module, name, noted)
    spread = run(folders, tmp_path / "spread", runner=runner, **chosen)
    assert len(runner.tasks) == 1 + 3  # M, and the maps of M, norm and a strategy
    # M of the first seed tells whether there is batch norm; maps that are there already are only listed.
    assert here.count("fit") == 1
    assert "adapted" not in here
    alone = run(folders, tmp_path / "alone", **chosen)
    for name in spread.TABLES:
        pd.testing.assert_frame_equal(getattr(spread, name), getattr(alone, name))
    assert spread.settings == alone.settings


@pytest.fixture(scope="module")
def evaluated(done: tuple[Adaptation, Path], folders: list[Path]) -> Callable[[str], Evaluation]:
    """The maps that a model left, scored anew from its files at its own threshold."""
    found, out = done

    def evaluate(model: str) -> Evaluation:
        names = set(matching(found.images, seed=0, model=model, dataset="site")["image"])
        whole = Dataset.from_folder(folders[1])
        part = replace(whole, items=tuple(item for item in whole.items if item.name in names))
        threshold = float(matching(found.models, seed=0, model=model)["threshold"].iloc[0])
        return howfar.evaluate(part, out / f"maps/seed0/{model}/site", threshold=threshold, progress=False)

    return evaluate


@pytest.mark.parametrize("model", ["M", "far-3"])
def test_f_ods_is_f_at_the_datasets_best_threshold(model, done, evaluated):
    again = evaluated(model)
    score = matching(done[0].scores, seed=0, model=model, dataset="site").iloc[0]
    assert score["ods_threshold"] == again.scores["ods_threshold"]
    expected = at_threshold(counts_of(again.images), score["ods_threshold"])
    rows = matching(done[0].images, seed=0, model=model, dataset="site")
    assert rows["image"].tolist() == again.images["image"].tolist()
    np.testing.assert_allclose(rows["f_ods"], expected.per_image_f)
    assert score["mean_f_ods"] == pytest.approx(expected.mean_f)
    assert score["ods"] == pytest.approx(expected.f)
    np.testing.assert_allclose(rows["f"], again.images["performance"])


@pytest.mark.parametrize("model", ["M", "far-3"])
def test_parts_are_scored_as_if_each_were_a_dataset(model, done, evaluated):
    again = evaluated(model)
    counts, threshold = counts_of(again.images), again.threshold
    assert threshold is not None
    rows = matching(done[0].images, seed=0, model=model, dataset="site")
    distance = rows["distance"].to_numpy()
    found = matching(done[0].strata, seed=0, model=model, dataset="site")
    assert found["part"].tolist() == ["0–50 %", "50–100 %", "0–33 %", "33–67 %", "67–100 %"]
    chosen = [part for count in (2, 3) for part in split_at(distance, rows["image"].tolist(), count)]
    for row, part in zip(found.to_dict("records"), chosen, strict=True):
        own = counts.take(part)
        assert (row["ods"], row["ods_threshold"]) == pytest.approx(ods(own))
        at = at_threshold(own, threshold)
        assert (row["n"], row["f"], row["mean_f"]) == (len(part), pytest.approx(at.f), pytest.approx(at.mean_f))
        assert (row["distance_mean"], row["distance_std"]) == pytest.approx((distance[part].mean(), distance[part].std()))
        assert row["ods"] >= row["f"]


def test_every_model_has_a_slope_of_both_fs(done: tuple[Adaptation, Path]) -> None:
    found = done[0]
    keys = ["seed", "model", "dataset", "measure"]
    models = found.images[found.images["dataset"].isin(("site", "tiles"))][keys[:3]].drop_duplicates().to_numpy().tolist()
    assert found.slopes[keys].to_numpy().tolist() == [[*model, measure] for model in models for measure in ("f", "f_ods")]
    for row in found.slopes.to_dict("records"):
        images = matching(found.images, **{key: row[key] for key in keys[:3]}).dropna(subset="f")
        fitted = np.polyfit(images["distance"], images[row["measure"]], 1)[0]
        assert row["slope"] == pytest.approx(fitted)
        assert (row["n"], row["photographs"]) == (len(images), images["photograph"].nunique())
