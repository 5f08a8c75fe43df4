"""`howfar.assess`: answers with labelled sites, with corrupted sets alone, outside the gate; what it keeps, and bad input."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

import howfar
from howfar.data import Dataset, content_hash
from howfar.errors import HowfarError, InputError
from howfar.results import Comparison, Evaluation, Relation
from howfar.results.assessment_result import Assessment, SiteAnswer
from howfar.segmenters import build_segmenter
from howfar.segmenters.checkpoint import Checkpoint, CheckpointCard
from howfar.studies.assessment import assess_sites as module
from howfar.studies.assessment.score_and_corrupt import Preparation, blank_sites
from howfar.studies.assessment.site_answers import Commands, next_of_blank
from howfar.studies.corruption import corrupt
from howfar.weights.state_dicts import hash_state_dict

pytestmark = pytest.mark.usefixtures("undrawn")
QUICK: dict[str, Any] = {
    "backbone": "colour_moments", "baselines": False, "bootstrap": 0, "permutations": 0, "progress": False,
}  # fmt: skip
SITES = ("near", "mid", "far", "new", "walls")
RULES: dict[str, Any] = {"performance": {"at_least": 0.5}, "gate": {"must_be": "inside"}}


def made(places: Path, out: Path, sites: Sequence[str] = SITES, **given: Any) -> Assessment:
    source = {} if "model" in given else {"predictions": places / "maps"}
    return howfar.assess(places / "road", [places / name for name in sites], out, **{**QUICK, **source, **given})


@pytest.fixture(scope="module")
def assessed(places: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Assessment, Path]:
    """All sites assessed once by their maps, and the run folder; tests read it alone."""
    run = tmp_path_factory.mktemp("assessed") / "run"
    return made(places, run), run


def site_of(found: Assessment, name: str) -> SiteAnswer:
    return next(site for site in found.sites if site.dataset == name)


def network(learnt: tuple[str, ...] = ()) -> Checkpoint:
    torch.manual_seed(0)
    state = build_segmenter("deepcrack", {"width": 4}, pretrained=False).state_dict()
    data = {"primary": "road", "images": 1, "contents": list(learnt), "held_out": []}
    return Checkpoint(CheckpointCard("deepcrack", {"width": 4}, 32, hash_state_dict(state), {}, data, (), None), state)


def test_answers_are_those_of_the_relation_in_the_run_folder(places: Path, assessed: tuple[Assessment, Path]) -> None:
    found, run = assessed
    relation, comparison = Relation.load(run), Comparison.load(run)
    assert Assessment.load(run).to_dict() == found.to_dict()
    assert found.fits(relation)
    assert [dataset.name for dataset in comparison.datasets] == list(SITES)
    assert (found.basis, [row.dataset for row in found.labelled]) == ("sites", ["near", "mid", "far"])
    for site in found.sites:
        estimate = next(row for row in relation.estimates if row.dataset == site.dataset)
        assert (site.estimate, site.low, site.high, site.measured) == (
            estimate.predicted, estimate.low, estimate.high, estimate.measured,
        )  # fmt: skip
    own = howfar.evaluate(places / "road", places / "maps" / "road", progress=False)
    alone = howfar.evaluate(places / "mid", places / "maps" / "mid", tuned_on=own, progress=False)
    assert site_of(found, "mid").measured == pytest.approx(alone.images["performance"].mean())
    assert site_of(found, "new").measured is None


def test_a_site_outside_the_gate_is_not_to_be_believed_and_to_be_certified(places, assessed):
    found, _ = assessed
    walls, new = site_of(found, "walls"), site_of(found, "new")
    assert walls.inside is False
    assert walls.answer.startswith("walls: no estimate can be trusted here. ")
    assert walls.next.action == "certify"
    assert (
        walls.next.command
        == f"howfar certify walls={places / 'walls'} --predictions {places / 'maps' / 'walls'} -k 6 --threshold 0.25"
    )
    assert found.first.startswith("On 8 images of road the model scores F ")
    assert "at threshold 0.25 (chosen on the same images). howfar cannot know" in found.first
    assert found.footer()[0] == found.first
    assert found.footer()[1].startswith(walls.answer)
    told = any(note.startswith("howfar cannot train your model. Its command “howfar adapt”") for note in found.notes)
    assert told is any(site.next.action == "adapt" for site in found.sites)
    assert new.inside is True
    assert new.answer.startswith(("new: expected F 0.", "new: F is not known yet"))
    assert new.warning == ""


def test_with_no_labelled_site_it_rests_on_corrupted_sets_and_says_so(places, tmp_path, monkeypatch):
    monkeypatch.setattr("howfar.studies.assessment.score_and_corrupt.MOST", 2)
    asked: list[Any] = []

    def corrupted(primary: Any, *places: Any, **given: Any) -> Any:
        asked.append((len(primary.items), given["tuned_on"].dataset, given["tuned_on"].n))
        return corrupt(primary, *places, **given)

    monkeypatch.setattr("howfar.studies.assessment.score_and_corrupt.corrupt", corrupted)
    # colour_moments takes no size: the option is the model's.
    found = made(places, tmp_path / "run", ["new"], model=network(), only="fade=0.5,blur=3,noise=0.1", size=32)
    # Few images are corrupted, and scored at the threshold of all.
    assert asked == [(2, "road", len(list((places / "road" / "images").iterdir())))]
    assert (found.basis, [site.dataset for site in found.sites]) == ("corrupted", ["new"])
    assert [row.origin for row in found.labelled] == ["corrupted"] * 3
    assert found.notes[0].startswith("No site is labelled: estimates are learnt from 3 corrupted versions of images of road.")
    assert [dataset.name for dataset in Comparison.load(tmp_path / "run").datasets] == ["new"]
    assert len(found.table()[1]) == 1
    assert howfar.select(tmp_path / "run", dataset="new", k=2).strategy == "random"  # as the answer advises


def test_beside_labelled_sites_corrupted_sets_inform_intervals_and_are_no_datasets_of_the_run(places, tmp_path):
    found = made(places, tmp_path / "run", model=network(), only="fade=0.5,blur=3")
    assert found.basis == "sites"
    assert [row.origin for row in found.labelled] == ["site"] * 3 + ["corrupted"] * 2
    assert [dataset.name for dataset in Comparison.load(tmp_path / "run").datasets] == list(SITES)
    roles = howfar.Profile.load(tmp_path / "run").judge.fits["consensus"].roles
    assert sorted(roles.values()) == ["corrupted", "corrupted", "home", "site", "site", "site"]
    alone = made(places, tmp_path / "alone", model=network(), corrupted=False)
    assert not (tmp_path / "alone" / "corrupted").exists()
    assert {row.origin for row in alone.labelled} == {"site"}


def test_a_site_is_answered_alike_by_every_command(places: Path, assessed: tuple[Assessment, Path]) -> None:
    read: Any = {"predictions": places / "maps" / "new", "flipped": places / "maps" / "new-flipped"}
    found, run = assessed
    site = site_of(found, "new")
    scores = howfar.Profile.load(run).score(places / "new", **read)
    files = [run / "performance" / f"{name}.parquet" for name in ("road", "near", "mid", "far")]
    labelled = [places / name for name in ("far", "near", "mid")]
    made_apart = howfar.profile(places / "road", QUICK["backbone"], labelled=labelled, performance=files, progress=False).score(
        places / "new", **read
    )
    batch = next(iter(howfar.check(run, places / "new", RULES, **read).batches))
    for said in (scores, made_apart):
        (estimate,), (gate,) = said.estimates, said.gates
        assert (estimate.predicted, estimate.low, estimate.high) == (site.estimate, site.low, site.high)
        assert gate == site.gate
        assert said.failures[0].listed == site.listed
    assert (batch.value, batch.low, batch.high, batch.gate) == (site.estimate, site.low, site.high, site.inside)
    # Without maps the gate knows a part of its checks, on which it does not pass.
    bare = howfar.check(run, places / "new", RULES)
    gate_rule = next(each for each in bare.decisions if each.rule == "gate")
    assert (gate_rule.outcome, bare.exit_code, bare.batches[0].gate) == ("undecided", 4, None)
    assert "the gate could not check share, scale" in gate_rule.words
    assert any("needs predictions: pass them" in note for note in bare.notes)
    assert site.gate is not None
    assert "residual" in {reading.check for reading in site.gate.readings}


def test_a_checkpoints_threshold_is_the_one_that_is_used(places: Path, tmp_path: Path) -> None:
    first = sorted((places / "road" / "images").iterdir())[0]
    trained = network((content_hash(first.read_bytes()),))
    deployed = Checkpoint(replace(trained.card, threshold=0.37), trained.state)
    found, again, given = (
        made(places, tmp_path / "run", ["near", "new"], model=deployed, corrupted=False, **options)
        for options in ({}, {"retune": True}, {"threshold": 0.2})
    )
    assert (found.own.threshold, found.own.source) == (0.37, "the checkpoint's")
    assert "F at threshold 0.37" in found.metric
    assert again.own.source.startswith("chosen on ")
    assert (given.own.threshold, given.own.source) == (0.2, "given")
    # What it learnt from is not scored.
    scored = Evaluation.load(tmp_path / "run" / "performance" / "road.parquet").images["image"]
    assert set(scored) == {file.name for file in (places / "road" / "images").iterdir()} - {first.name}


def test_large_images_are_predicted_by_tiles_too_and_the_agreement_is_kept(places: Path, tmp_path: Path) -> None:
    run, large = tmp_path / "run", tmp_path / "large" / "images"
    large.mkdir(parents=True)
    for file in sorted((places / "new" / "images").iterdir())[:2]:
        Image.open(file).resize((130, 130)).save(large / file.name)
    sites = [places / "near", places / "mid", places / "far", large.parent]
    howfar.assess(places / "road", sites, run, model=network(), corrupted=False, **QUICK)
    assert (run / "maps" / "large-tiled").is_dir()
    assert "tile_agreement" in Evaluation.load(run / "performance" / "large.parquet").images
    assert "tiles" in {reading.check for gate in Relation.load(run).gates for reading in gate.readings}
    # Maps that are by tiles alone are known to be, and their size is not judged.
    alone = tmp_path / "alone"
    found = made(places, alone, ["near", "mid", "new"], model=network(), tiled=True, corrupted=False)
    files, relation = sorted((alone / "performance").iterdir()), Relation.load(alone)
    related = howfar.relate(Comparison.load(alone), files, threshold=relation.settings.threshold)
    assert found.tiled
    assert all(Evaluation.load(file).tiled for file in files)
    assert related.gates == relation.gates
    assert not any(reading.check == "size" for gate in related.gates for reading in gate.readings)


def test_an_estimator_that_reads_mirrored_maps_is_not_asked_of_maps_by_tiles(places: Path, tmp_path: Path) -> None:
    for name in ("road", "near", "mid", "far", "new"):
        for ending in ("", "-flipped", "-tiled"):
            shutil.copytree(places / "maps" / name, tmp_path / "maps" / f"{name}{ending}")
    given = {"predictions": tmp_path / "maps", **QUICK}
    sites = [places / name for name in ("near", "mid", "far", "new")]
    found = howfar.assess(places / "road", sites, tmp_path / "run", estimator="flip_agreement", tau=0.5, **given)
    assert {(site.estimator, site.by_tiles) for site in found.sites} == {("flip_agreement", None)}
    # The user's own, so that advice goes by it alone, here and where the command is run again.
    assert "--tau 0.5" in found.command
    assert not any("--tau sets" in site.next.text for site in found.sites)


def test_a_site_without_foreground_has_no_f_and_is_told_how_often_some_is_predicted(places: Path, tmp_path: Path) -> None:
    blank = Path(shutil.copytree(places / "walls", tmp_path / "blank"))
    files = sorted((blank / "images").iterdir())
    (blank / "masks").mkdir()
    for file in files[1:]:
        Image.new("L", (48, 48)).save(blank / "masks" / f"{file.stem}.png")
    maps = Path(shutil.copytree(places / "maps", tmp_path / "maps"))
    shutil.copytree(maps / "walls", maps / "blank")
    sites = [places / "near", places / "mid", blank]
    found = howfar.assess(places / "road", sites, tmp_path / "run", predictions=maps, partial=True, **QUICK).sites[-1]
    truth = howfar.evaluate(blank, maps / "blank", threshold=0.5, partial=True, progress=False)
    assert (found.measured, found.scored) == (None, 0)
    assert found.answer.startswith(
        "blank: none of its 5 masks holds foreground: F is undefined. Some is predicted in 5 of them"
    )
    assert truth.scores["false_positive_share"] is not None
    assert found.false_positive_share is not None
    assert 0 < found.false_positive_share < 1
    assert found.next.command.split("--predictions")[1].split()[1:5] == ["-k", "8", "--metric", "false_positive_rate"]
    assert Assessment.load(tmp_path / "run").table()[1][0][2:5] == ("undefined", "no foreground", "–")
    assert "blank: labelled, without foreground: F is undefined there" in Relation.load(tmp_path / "run").notes
    with pytest.raises(InputError, match=r"masks, got 'blank \(labelled, without foreground\)'"):
        howfar.assess(places / "road", blank, tmp_path / "other", predictions=maps, partial=True, **QUICK)
    Image.new("L", (48, 48)).save(blank / "masks" / f"{files[0].stem}.png")
    whole = blank_sites([howfar.evaluate(blank, maps / "blank", threshold=0.5, progress=False)])["blank"]
    assert (whole.n, whole.masked) == (6, 6)
    commands = Commands("p=/p", {"blank": "blank=/b"}, "", Path("maps"), Path("run"))
    assert next_of_blank("blank", whole, commands).action == "check"
    assert not blank_sites([howfar.evaluate(places / "near", maps / "near", threshold=0.5, progress=False)])


def test_a_limit_is_drawn_of_the_primary_images_that_have_maps(places: Path, tmp_path: Path) -> None:
    maps = Path(shutil.copytree(places / "maps", tmp_path / "maps"))
    for file in sorted((maps / "road").iterdir())[:4]:
        file.unlink()
    found = made(places, tmp_path / "run", predictions=maps, limit=3)
    own = Evaluation.load(tmp_path / "run" / "performance" / "road.parquet")
    assert (own.n, own.scored) == (3, 3)
    assert set(own.images["image"].map(lambda name: Path(name).stem)) <= {file.stem for file in (maps / "road").iterdir()}
    assert [site.n for site in found.sites] == [3] * len(SITES)
    asked = [site.next.command for site in found.sites if site.next.command.startswith("howfar certify")]
    assert asked
    assert all(command.endswith(" --partial") for command in asked)


@pytest.mark.parametrize("place", ["measured_run", "related", "Assessment.save"])
def test_a_killed_run_keeps_its_answer_and_goes_on_with_the_maps_that_it_made(place, places, tmp_path, monkeypatch):
    run, model = tmp_path / "run", network()
    first = made(places, run, ("near", "mid"), model=model, corrupted=False)
    maps = {path: path.stat().st_mtime_ns for path in (run / "maps").rglob("*.png")}

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(f"{module.__name__}.{place}", killed)
        with pytest.raises(KeyboardInterrupt):
            made(places, run, ("near", "mid"), model=model, corrupted=False, tau=0.6)
    if place != "Assessment.save":  # whose parts were replaced already
        assert Assessment.load(run).to_dict() == first.to_dict()
    again = made(places, run, ("near", "mid"), model=model, corrupted=False, tau=0.6)
    assert Assessment.load(run).to_dict() == again.to_dict()
    assert {path: path.stat().st_mtime_ns for path in (run / "maps").rglob("*.png")} == maps


def test_a_refused_question_leaves_the_run_as_it_is_and_no_empty_folder(places: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    made(places, run)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="estimator must be one whose signals the labelled sets have"):
        made(places, run, estimator="ensemble_agreement", threshold=0.3)
    for out in (run, tmp_path / "deep" / "new"):
        with pytest.raises(InputError, match="sites must hold one with masks"):
            made(places, out, ["new"], threshold=0.3)
    shutil.rmtree(run / ".pairs")  # distances, which a better question goes on with
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    assert not (tmp_path / "deep").exists()


def test_a_changed_model_is_told_when_it_is_asked_again(places: Path, tmp_path: Path) -> None:
    quick: dict[str, Any] = {"sites": ("near", "mid"), "corrupted": False}
    first = made(places, tmp_path / "run", model=network(), **quick)
    assert {"weights", "size", "tiled", "segmenter"} <= first.identity.keys()
    assert not any("has changed" in note for note in first.notes)
    assert made(places, tmp_path / "run", model=network(), **quick).notes == first.notes
    other = network()
    other.state[next(name for name in other.state if name.endswith("weight"))] += 0.25
    other = Checkpoint(replace(other.card, weights=hash_state_dict(other.state)), other.state)
    second = made(places, tmp_path / "run", model=other, **quick)
    assert second.notes[0].startswith("The model has changed since the answers that these replace in the run folder (weights: ")
    assert second.identity["weights"] == other.card.weights
    assert made(places, tmp_path / "run").notes[0].startswith("The model has changed")
    assert "--predictions" in Assessment.load(tmp_path / "run").command


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"sites": ["new", "walls"]}, "sites must hold one with masks, got 'new, walls'"),
        ({"primary": "new"}, "primary must have masks, got 'new without any'"),
        ({"tiled": True}, "tiled is of use only to a model"),
        ({"retune": True}, "retune is of use only to a checkpoint with a threshold of its own"),
        ({"sites": ["near", "near"]}, "datasets must have names of their own"),
        ({"sites": {"near": "near", "near-flipped": "mid"}}, "predictions lie in places of their own"),
        ({"sites": {"nowhere": "far"}}, "nowhere: put the maps of nowhere there"),
    ],
)
def test_bad_input_is_one_line(places: Path, tmp_path: Path, given: dict[str, Any], told: str) -> None:
    options = {"predictions": places / "maps", **QUICK, **given}
    primary, sites = options.pop("primary", "road"), options.pop("sites", [name for name in SITES if name != "new"])
    named: Any = [places / name for name in sites]
    if isinstance(sites, dict):
        named = dict(zip(sites, map(places.joinpath, sites.values()), strict=True))
    with pytest.raises(HowfarError) as caught:
        howfar.assess(places / primary, named, tmp_path / "run", **options)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run" / "result.json").exists()


def test_masks_of_learnt_images_are_hidden_and_told(places: Path, tmp_path: Path) -> None:
    site = Dataset.from_folder(places / "near")
    learnt = frozenset({content_hash(Path(site.items[1].path).read_bytes())})
    data = {"group": None, "adapted": {"dataset": "near"}}
    model: Any = SimpleNamespace(card=SimpleNamespace(data=data, learnt=learnt, all_learnt_known=True))
    given: Any = {}
    (fair,), notes = Preparation(tmp_path, model, None, given)._fair([site])
    assert [item.mask is None for item in fair.items] == [k == 1 for k in range(len(site.items))]
    assert notes[0].startswith("the maps are of a model adapted to near: its confidence no longer tells its performance")
    assert notes[1] == "1 images of near were not scored: the model learnt from them."
    assert Preparation(tmp_path, None, None, given)._fair([site]) == ([site], ())
