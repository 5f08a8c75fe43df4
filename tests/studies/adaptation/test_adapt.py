"""The adaptation study on tiny synthetic roads: who learns from what, who is scored on what, and what is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import howfar
from howfar.data import Dataset, content_hash
from howfar.data.synthetic import write_dataset
from howfar.errors import HowfarError, LeakError
from howfar.results.adaptation import Adaptation
from howfar.segmenters.checkpoint import Checkpoint
from howfar.studies.adaptation import adapt as study
from howfar.studies.adaptation.adapt import adapt
from howfar.studies.adaptation.config import Config
from howfar.studies.adaptation.unseen import Known, check_unseen

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


def run(folders: list[Path], out: Path, **changes: Any) -> Adaptation:
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
    assert len(sets) == 2 * len(["M", *Config(shots=(1, 3), strategies=("a", "b", "c"), background_shots=(2,)).arms()])
    assert sets.nunique().tolist() == [1, 1]


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


def test_an_image_that_was_learnt_from_stops_the_study(
    folders: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study._Study, "_kept", lambda self, known: known.dataset)
    with pytest.raises(LeakError, match="images that a model learnt from were about to be evaluated"):
        run(folders, tmp_path, shots=(1,), strategies=("far",))


def test_unseen_is_judged_by_content_and_not_by_name(folders: list[Path]) -> None:
    known = Known.of(Dataset.from_folder(folders[1]), None)
    first = known.dataset.items[0].name
    check_unseen(known, known.dataset, {"another"})
    with pytest.raises(LeakError, match=f"first: {first}"):
        check_unseen(known, known.dataset, {known.contents[first]})
    check_unseen(known, known.without({known.contents[first]}).dataset, {known.contents[first]})


def test_a_study_that_is_run_again_trains_nothing_and_says_the_same(done: tuple[Adaptation, Path], folders: list[Path]) -> None:
    found, out = done
    before = {file: file.stat().st_mtime_ns for file in out.rglob("*.safetensors")}
    again = run(folders, out, seeds=(0, 1), background=folders[3], background_shots=(2,), blind=[folders[4]])
    assert {file: file.stat().st_mtime_ns for file in out.rglob("*.safetensors")} == before
    assert again.scores.equals(found.scores)
    assert again.gains.equals(found.gains)


def test_a_study_goes_on_from_the_models_that_are_there(done: tuple[Adaptation, Path], folders: list[Path]) -> None:
    found, out = done
    lost = out / "models/seed0/random-3.safetensors"
    weights = Checkpoint.load(lost).card.weights
    kept = {file: file.stat().st_mtime_ns for file in out.rglob("*.safetensors") if file != lost}
    lost.unlink()
    again = run(folders, out, seeds=(0, 1), background=folders[3], background_shots=(2,), blind=[folders[4]])
    assert {file: file.stat().st_mtime_ns for file in out.rglob("*.safetensors") if file != lost} == kept
    assert Checkpoint.load(lost).card.weights == weights
    assert again.scores.equals(found.scores)


def test_with_a_pool_one_half_is_chosen_from_and_the_other_scored(folders: list[Path], tmp_path: Path) -> None:
    found = run(folders, tmp_path, shots=(1, 2), strategies=("random",), pool=0.5, start="tuned")
    for folder in folders[1:3]:
        known = Known.of(Dataset.from_folder(folder), None)
        pool, rest = known.divided(0.5, 0)
        assert set(found.picks.loc[found.picks["dataset"] == folder.name, "image"]) <= set(pool)
        assert set(found.images.loc[found.images["dataset"] == folder.name, "image"]) == set(rest)
    began = Checkpoint.load(tmp_path / "models/seed0/random-2.safetensors").card.data["started_from"]
    assert began == Checkpoint.load(tmp_path / "models/seed0/M.safetensors").card.weights


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


def test_scores_are_those_of_evaluating_the_maps(done: tuple[Adaptation, Path], folders: list[Path]) -> None:
    found, out = done
    images = set(found.images.loc[found.images["dataset"] == "site", "image"])
    whole = Dataset.from_folder(folders[1])
    part = replace(whole, items=tuple(item for item in whole.items if item.name in images))
    row = found.scores[(found.scores["seed"] == 1) & (found.scores["model"] == "far-3") & (found.scores["dataset"] == "site")]
    model = found.models[(found.models["seed"] == 1) & (found.models["model"] == "far-3")].iloc[0]
    again = howfar.evaluate(part, out / "maps/seed1/far-3/site", threshold=model["threshold"], progress=False)
    assert row.iloc[0]["mean_f"] == pytest.approx(again.scores["mean_f"])
    assert row.iloc[0]["ods"] == pytest.approx(again.scores["ods"])


def test_blind_images_are_predicted_by_every_model(done: tuple[Adaptation, Path]) -> None:
    found, out = done
    for model in found.models["model"].unique():
        assert len(list((out / f"maps/seed0/{model}/new").glob("*.png"))) == 3
    assert "new" not in set(found.scores["dataset"])


def test_a_study_comes_back_from_its_folder(done: tuple[Adaptation, Path], tmp_path: Path) -> None:
    found = done[0]
    again = Adaptation.load(found.save(tmp_path / "again"))
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False)) == again.to_dict()
    assert repr(again) == repr(found)
    assert "gain over M" in found._repr_html_()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shots": (0,)}, "shots must be at least 1"),
        ({"shots": (3, 3)}, "shots must not repeat one"),
        ({"pool": 1.5}, "pool is refused"),
        ({"strategies": ("furthest",)}, "no strategies named 'furthest'"),
        ({"start": "never"}, "start is refused"),
        ({"background_shots": (3,)}, "background_shots are of no use without background"),
        ({"shots": (99,)}, "k"),
        ({"size": 33}, "size must be a multiple of 32"),
    ],
)
def test_what_cannot_be_is_one_line(changes: dict[str, Any], words: str, folders: list[Path], tmp_path: Path) -> None:
    with pytest.raises(HowfarError) as caught:
        run(folders, tmp_path, **{"strategies": ("far",), **changes})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
