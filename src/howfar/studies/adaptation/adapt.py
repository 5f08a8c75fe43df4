"""Train a segmenter with and without a few labelled images of each new site, and measure the gain in score (`howfar adapt`)."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pandas as pd

from howfar import registry
from howfar.adaptation_ways import THEN, AdaptationWay, steps_of
from howfar.data import Dataset, DatasetArgument, content_hash, read_bytes
from howfar.data.dataset_argument import parse_images
from howfar.data.name_attributes import HashedDataset
from howfar.errors import InputError, option
from howfar.experiment_tracking import check_tracker, log_result
from howfar.io.file_location import absolute
from howfar.io.partial_results import remove_abandoned
from howfar.option_validation import checked, picked, with_options
from howfar.options_by_function import AdaptOptions, BakeoffOptions, TrainingOptions
from howfar.pipeline.embedding import check_reach
from howfar.pipeline.prediction import Model
from howfar.progress import bar
from howfar.protocols import Runner
from howfar.random_streams import stream
from howfar.results import Evaluation, Provenance
from howfar.results.adaptation_result import BASELINE, F_ODS, STRATA, Adaptation
from howfar.results.file_checks import page_folder
from howfar.runners import make_runner
from howfar.segmenters import segmenter_family
from howfar.segmenters.checkpoint import Checkpoint
from howfar.segmenters.norm_adaptation import norm_layers
from howfar.studies.adaptation import adaptation_tables
from howfar.studies.adaptation.models import (
    ANEW,
    RANDOM,
    RETRAIN,
    Arm,
    EvaluatedPart,
    StudyFolder,
    all_seeds,
    arms_of,
    check_adaptation,
    recorded,
    strategies_of,
)
from howfar.studies.compare_datasets import compare
from howfar.studies.run_report import write_run
from howfar.studies.select_images import select
from howfar.studies.study_inputs import check_names, keep_pictures, sources_of
from howfar.training.image_mask_pairs import TrainingExample, examples_of
from howfar.training.train import TrainingTask
from howfar.training.training_settings import settings_for

NORM = "norm"


@dataclass
class Study:
    """Hold an adaptation study's datasets, settings and table rows; a `runner` with processes trains models side by side."""

    config: AdaptOptions
    storage: StudyFolder
    primary: HashedDataset
    secondaries: list[HashedDataset]
    blind: list[HashedDataset]
    background: HashedDataset | None
    runner: Runner | None = None
    picks: list[dict[str, Any]] = field(default_factory=list)
    distances: dict[int, pd.DataFrame] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    models: list[dict[str, Any]] = field(default_factory=list)
    scores: list[dict[str, Any]] = field(default_factory=list)
    images: list[pd.DataFrame] = field(default_factory=list)
    strata: list[dict[str, Any]] = field(default_factory=list)
    ahead: int = 0

    def run(self) -> Adaptation:
        """Choose images, train and score models; existing files in the study's folder are reused."""
        datasets = [self.primary, *self.secondaries, *self.blind, *([] if self.background is None else [self.background])]
        group = self.config["group"]
        self.notes += [
            f"group {group!r} matches no image of {each.dataset.name}: its photographs were guessed from the names"
            for each in datasets
            if group is not None and each.group is None
        ]
        self.ahead = self._count()
        self._leave_out_ways()
        seeds = all_seeds(self.config)
        self._made_ahead(Study._choose, [(seed,) for seed in seeds])
        for seed in seeds:
            self._choose(seed)
        parts = self._parts()
        models = [(seed, arm) for seed in seeds for arm in (None, *arms_of(self.config, seed))]
        self._made_ahead(partial(Study._score, parts=parts), models)
        for seed, arm in models:
            self._score(seed, arm, parts)

        images = pd.concat(self.images, ignore_index=True)
        names = [hashed.dataset.name for hashed in self.secondaries]
        background = None if self.background is None else self.background.dataset.name
        task = self.storage.task
        return Adaptation(
            primary=self.primary.dataset.name,
            secondaries=tuple(names),
            blind=tuple(hashed.dataset.name for hashed in self.blind),
            background=background,
            segmenter=task.segmenter,
            settings={
                **recorded(self.config),
                "options": dict(task.options),
                "pretrained": task.pretrained if isinstance(task.pretrained, bool) else str(absolute(task.pretrained)),
                "training": task.settings.model_dump(),
            },
            models=pd.DataFrame(self.models),
            scores=pd.DataFrame(self.scores),
            images=images,
            picks=pd.DataFrame(self.picks),
            gains=adaptation_tables.gains_of(images, names, self.config),
            suppression=adaptation_tables.suppression_of(images, background, names, self.config),
            strata=pd.DataFrame(self.strata, columns=list(STRATA)),
            slopes=adaptation_tables.slopes_of(images, self.config["bootstrap"]),
            contributions=adaptation_tables.contributions_of(images, names, self.config),
            provenance=Provenance.now(),
            notes=tuple(dict.fromkeys(self.notes)),
        )

    def _made_ahead(self, make: Callable[..., None], tasks: Sequence[tuple[Any, ...]]) -> None:
        """Make models, features and maps in the study's folder with several processes, for later use by this one.

        All tables are computed here, so that no number depends on the runner.
        """
        if self.runner is None or not self.runner.processes:
            return
        quiet = replace(self, storage=replace(self.storage, progress=False), runner=None)
        made = self.runner.run(partial(_on_copy, make, quiet), tasks)
        for _ in bar(made, total=len(tasks), desc="models", unit="model", progress=self.storage.progress):
            continue

    def _leave_out_ways(self) -> None:
        """Drop ways without labels that the architecture lacks, such as batch norm statistics, with a note."""
        network = self._baseline(all_seeds(self.config)[0]).build()
        if norm_layers(network):
            return
        segmenter = self.storage.task.segmenter
        if NORM in self.config["way"].split(THEN):
            rule = f"needs batch norm layers, which {segmenter} does not have"
            raise InputError.of("way", rule, self.config["way"], f"leave {NORM} out")
        kept = tuple(way for way in self.config["without_labels"] if NORM not in way.split(THEN))
        if len(kept) < len(self.config["without_labels"]):
            self.notes.append(f"{segmenter} has no batch norm, so that there is no model that norm adapted")
        self.config = {**self.config, "without_labels": kept}

    def _baseline(self, seed: int) -> Checkpoint:
        return self._trained(f"seed{seed}/{BASELINE}", seed, ())

    def _trained(self, path: str, seed: int, extra: Sequence[TrainingExample], start: Checkpoint | None = None) -> Checkpoint:
        """Train a model or load it; before the first training, the estimated time of all trainings is shown."""
        ahead = 0 if self.storage.file(path).exists() else self.ahead
        self.ahead -= ahead
        balance = {} if extra else {"balance": None}
        settings = self.storage.task.settings.model_copy(update={"seed": seed, **balance})
        return self.storage.trained(path, settings, extra, start, ahead)

    def _count(self) -> int:
        """Count the models to train from scratch that are not yet in the study's folder."""
        labels = [
            f"seed{seed}/{BASELINE if arm is None else arm.label}"
            for seed in all_seeds(self.config)
            for arm in (None, *arms_of(self.config, seed))
            if arm is None or (arm.strategy and arm.way == RETRAIN)
        ]
        return sum(not self.storage.file(label).exists() for label in labels)

    def _choose(self, seed: int) -> None:
        """Measure distances with the baseline's own features, and choose every strategy's images in every secondary."""
        checkpoint = self._baseline(seed)
        run = compare(
            self.primary.dataset,
            [hashed.dataset for hashed in self.secondaries],
            checkpoint.card.segmenter,
            weights=self.storage.file(f"seed{seed}/{BASELINE}"),
            store=self.storage.folder / "store",
            components=self.config["components"],
            bootstrap=0,
            permutations=0,
            baselines=False,
            device=self.storage.device,
            progress=self.storage.progress,
        )
        self.distances[seed] = run.images.set_index(["dataset", "image"])["i_dist_scaled"].to_frame()
        model = self.storage.loaded(checkpoint)
        most = max(self.config["shots"])
        for hashed in self.secondaries:
            signals = self.storage.signals(f"seed{seed}/{BASELINE}", model, hashed)
            among = None if self.config["pool_share"] is None else hashed.divided(self.config["pool_share"], 0)[0]
            for strategy, count in itertools.product(strategies_of(self.config, seed), self.config["shots"]):
                chosen = select(run, hashed.dataset.name, count, strategy, among=among, performance=signals, seed=seed)
                self.notes += [f"{strategy}: {note}" for note in chosen.notes]
                if chosen.nested and count < most:
                    continue  # they are the first of the largest choice
                shared = {"seed": seed, "strategy": strategy, "shots": count, "dataset": hashed.dataset.name}
                for rank, pick in enumerate(chosen.picks, 1):
                    own = {"image": pick.image, "rank": rank, "distance": pick.distance, "content": hashed.contents[pick.image]}
                    self.picks.append({**shared, **own})

    def _parts(self) -> list[EvaluatedPart]:
        """List the evaluated parts of datasets, which are the same for all models and seeds."""
        drawn = self._drawn(max(self.config["background_shots"], default=0))
        learnt = {pick["content"] for pick in self.picks}
        taken = learnt | {content_hash(read_bytes(example.path)) for example in drawn}
        parts = [EvaluatedPart(hashed, self._unseen(hashed, taken)) for hashed in (*self.secondaries, *self.blind)]
        if self.background is not None:
            unseen = self.background.apart_from({example.name for example in drawn}).without(learnt).dataset
            if unseen.items:
                parts.append(EvaluatedPart(self.background, unseen.without_masks(), blank=True))
            else:
                line = "every image was learnt from, so that none is left to measure false positives on"
                self.notes.append(f"{unseen.name}: {line}")
        return parts

    def _unseen(self, hashed: HashedDataset, taken: Collection[str]) -> Dataset:
        """Return a dataset's images from which no model of the study learns; `taken` are contents that models learn from."""
        if hashed in self.blind:
            return hashed.without(taken).dataset
        name = hashed.dataset.name
        if self.config["pool_share"] is None:
            names: Collection[str] = {pick["image"] for pick in self.picks if pick["dataset"] == name}
        else:
            names = hashed.divided(self.config["pool_share"], 0)[0]
        unseen = hashed.apart_from(names).without(taken).dataset
        if not unseen.items:
            raise InputError(
                f"{name}: every photograph was learnt from by some model: choose fewer, or pass {option('pool_share', 0.5)}"
            )
        return unseen

    def _drawn(self, count: int) -> list[TrainingExample]:
        """Return the first background images of the study's single random order."""
        if not count or self.background is None:
            return []
        empty = examples_of(self.background.dataset, self.background.group, blank=True)
        if count > len(empty):
            raise InputError.of("background_shots", f"must be at most the {len(empty)} images of background", count)
        order = stream(0, "background of adaptation").permutation(len(empty))
        return [empty[index] for index in order[:count]]

    def _adapted(self, seed: int, arm: Arm, path: str) -> Checkpoint:
        """Return the model after the steps that learn from all datasets' labels, before steps for single datasets."""
        baseline = self._baseline(seed)
        if arm.way == RETRAIN:
            begin = baseline if self.config["start"] != ANEW else None
            return self._trained(path, seed, self._examples(seed, arm), begin)
        way = THEN.join(step.name for step in _shared(arm))
        if not way:
            return baseline
        return self.storage.adapted(path, way, baseline, self.storage.given(None, self._examples(seed, arm)))

    def _examples(self, seed: int, arm: Arm) -> list[TrainingExample]:
        """Return the examples that an arm adds to those of the primary dataset."""
        if arm.strategy is None:
            return []
        picks = [pick for pick in self.picks if pick["seed"] == seed and pick["strategy"] == arm.strategy]
        # Of a nested strategy, the first images of its largest choice.
        sizes = {pick["shots"] for pick in picks}
        size = arm.shots if arm.shots in sizes else max(sizes)
        wanted = {(pick["dataset"], pick["image"]) for pick in picks if pick["shots"] == size and pick["rank"] <= arm.shots}
        labelled = [example for hashed in self.secondaries for example in examples_of(hashed.dataset, hashed.group)]
        chosen = [example for example in labelled if (example.dataset, example.name) in wanted]
        if len(chosen) < len(wanted):
            dataset, image = min(wanted - {(example.dataset, example.name) for example in chosen})
            raise InputError(f"{dataset}/{image} was chosen to be learnt from and has no mask: label it first")
        return [*chosen, *self._drawn(arm.background)]

    def _score(self, seed: int, arm: Arm | None, parts: list[EvaluatedPart]) -> None:
        """Train one model, and score it on every part."""
        label = BASELINE if arm is None else arm.label
        path = f"seed{seed}/{label}"
        checkpoint = self._baseline(seed) if arm is None else self._adapted(seed, arm, path)
        model = self.storage.loaded(checkpoint)
        own, threshold = self._tuned(path, model, checkpoint, seed)
        row = {"seed": seed, "model": label}
        learnt = Arm(None, 0) if arm is None else arm
        kind = {"strategy": learnt.strategy, "shots": learnt.shots, "background": learnt.background}
        at_home = {"threshold": threshold, "held_out_ods": None if own is None else own.scores["ods"]}
        self.models.append({**row, **kind, "weights": checkpoint.card.weights, **at_home})
        for part in parts:
            there, by, at = checkpoint, model, threshold
            own_steps = () if arm is None else _own(arm)
            if arm is not None and own_steps:
                # These learn from the dataset's unlabelled images; with `pool_share`, from the part that is chosen from.
                whole = part.hashed.dataset
                site = part.dataset
                if self.config["pool_share"] is not None and part.hashed in self.secondaries:
                    inside = set(part.hashed.divided(self.config["pool_share"], 0)[0])
                    site = replace(whole, items=tuple(item for item in whole.items if item.name in inside))
                picks = [each for each in self._examples(seed, arm) if each.dataset == whole.name] if arm.strategy else []
                way = THEN.join(step.name for step in own_steps)
                there = self.storage.adapted(f"{path}/{whole.name}", way, checkpoint, self.storage.given(site, picks))
                by = self.storage.loaded(there)
                if any(step.trains for step in own_steps):
                    _, at = self._tuned(f"{path}/by-site/{whole.name}", by, there, seed)
            taken = {pick["content"] for pick in self.picks} | set(there.card.learnt)
            evaluation = self.storage.scored(path, by, part.hashed, part.dataset, taken, at)
            images = adaptation_tables.images_of(evaluation, part, self.distances[seed], seed, label, self.storage.folder)
            self.images.append(images)
            self.strata += adaptation_tables.strata_of(evaluation, images, at)
            if part.blank or any(item.mask is not None for item in part.dataset.items):
                scores = {name: evaluation.scores[name] for name in ("ods", "ods_threshold", "f", "mean_f")}
                # False positives are averaged over images without foreground.
                means = {"mean_f_ods": images[F_ODS].mean(), "false_positive_share": images["false_positive_share"].mean()}
                scores |= {name: None if np.isnan(value) else float(value) for name, value in means.items()}
                self.scores.append({**row, "dataset": evaluation.dataset, "n": evaluation.n, **scores})

    def _tuned(self, path: str, model: Model, checkpoint: Checkpoint, seed: int) -> tuple[Evaluation | None, float]:
        """Score a model on P's held-out photographs and return the best threshold; 0.5 without held-out photographs."""
        own = self.storage.held_out(path, model, checkpoint, seed, self.primary)
        return own, 0.5 if own is None else float(own.scores["ods_threshold"] or 0.5)


def _on_copy(make: Callable[..., None], study: Study, task: tuple[Any, ...]) -> None:
    """Make the files of one task; rows go to copies of the study's tables, which are discarded."""
    tables = ("picks", "distances", "notes", "models", "scores", "images", "strata")
    make(replace(study, **{name: copy.copy(getattr(study, name)) for name in tables}), *task)


def _shared(arm: Arm) -> tuple[AdaptationWay, ...]:
    """List the first steps of an arm's way, which learn from all datasets' labels together."""
    steps = steps_of(arm.way) if arm.strategy else ()
    return tuple(itertools.takewhile(lambda step: step.needs != "images", steps))


def _own(arm: Arm) -> tuple[AdaptationWay, ...]:
    """List the later steps of an arm's way, which are run for each dataset separately."""
    return steps_of(arm.way)[len(_shared(arm)) :]


@with_options(AdaptOptions)
def adapt(
    primary: DatasetArgument,
    secondaries: Sequence[DatasetArgument],
    model: str = "unetplusplus",
    *,
    out: str | Path,
    background: DatasetArgument | None = None,
    blind: Sequence[DatasetArgument] = (),
    **options: Unpack[AdaptOptions],
) -> Adaptation:
    """Train a segmenter on the primary dataset, alone and with a few images of each secondary, and measure the gain.

    Section 4.3 and appendix C of the paper. For each seed: M, trained on P alone; distances of the secondaries in M's own
    features; images chosen by each strategy; a model for each strategy and number of shots, and with background. No evaluation
    holds a learnt image or a tile of its photograph. Each model's threshold is tuned on P's held-out photographs. A stopped
    study continues when it is run again with the same folder.

    Parameters
    ----------
    primary, secondaries
        P with masks; the secondaries with masks: dataset arguments, or datasets.
    model
        A registered segmenter: ``unetplusplus``, ``deepcrack``, ``adsam``, ``frozen``.
    out
        Folder of the study: checkpoints, maps, and at the end its tables, figures and report.
    background
        A dataset without foreground, whose images are added to the models with the most shots as `background_shots` says. They
        are drawn once for the study; on the others every model's false positives are measured.
    blind
        Datasets that are never chosen from, scored where they have masks.

    Raises
    ------
    HowfarError
        Datasets without masks, too few images to choose from, a wrong setting; `LeakError` for learnt images in an evaluation.
    """
    given = checked(AdaptOptions, options)
    check_tracker(given["log"])
    given["shots"], given["background_shots"] = sorted(given["shots"]), sorted(given["background_shots"])
    check_adaptation(given, background=background is not None, blind=bool(blind))
    group, pretrained = given["group"], given["pretrained"]
    family = segmenter_family(model)
    settings = settings_for(family, given["options"] or {}, **picked(TrainingOptions, given))
    runner = make_runner(given["runner"], given["workers"])
    page_folder("out", out, Adaptation.COMMAND)
    folder = absolute(out)
    p = HashedDataset.of(parse_images(primary, "primary"), group)
    study_folder = StudyFolder(
        folder=folder,
        task=TrainingTask(
            segmenter=model,
            options=dict(family.checked(given["options"] or {})),
            primary=p.dataset.name,
            examples=examples_of(p.dataset, p.group),
            settings=settings,
            pretrained=pretrained if isinstance(pretrained, bool) else Path(pretrained),
            group=p.group,
        ),
        device=given["device"],
        workers=0 if runner.processes else given["workers"] or 0,  # with processes, their number
        progress=given["progress"],
        tracker=given["log"],
        score_size=given["score_size"],
    )
    own = set(p.contents.values())
    others, unseen = (
        [HashedDataset.of(parse_images(argument, f"{unnamed}-{number}"), group).without(own) for number, argument in each]
        for unnamed, each in (("secondary", enumerate(secondaries, start=1)), ("blind", enumerate(blind, start=1)))
    )
    empty = None if background is None else HashedDataset.of(parse_images(background, "background"), group).without(own)
    every = [p, *others, *unseen, *([] if empty is None else [empty])]
    if group is not None and all(hashed.group is None for hashed in every):
        example = next(iter(p.photographs))
        raise InputError.of("group", f"must match the names of images, such as {example!r}", group, "leave out the ending")
    datasets = [hashed.dataset for hashed in every]
    check_names(datasets)
    check_reach(datasets, runner)
    arguments = (primary, *secondaries, *blind, *([] if background is None else [background]))
    adaptation = Study(given, study_folder, p, others, unseen, empty, runner).run()
    adaptation = replace(adaptation, sources=sources_of(datasets, *([argument] for argument in arguments)))
    write_run(adaptation, folder)
    # Mean F of each model and dataset over the seeds, and gains with their intervals.
    means = adaptation.scores.groupby(["model", "dataset"])["mean_f"].mean()
    gains = adaptation.gains.set_index(["model", "dataset"])[["gain", "low", "high"]]
    means.index, gains.index = (table.index.map(" on ".join) for table in (means, gains))
    numbers = {"mean_f": means.to_dict(), "gain": gains.to_dict("index")}
    log_result(study_folder.log(folder.name), recorded(given), numbers)
    remove_abandoned(folder / "models")
    return keep_pictures(adaptation, datasets)


@with_options(BakeoffOptions)
def bakeoff(
    primary: DatasetArgument,
    secondaries: Sequence[DatasetArgument],
    model: str = "unetplusplus",
    *,
    out: str | Path,
    background: DatasetArgument | None = None,
    blind: Sequence[DatasetArgument] = (),
    **options: Unpack[BakeoffOptions],
) -> Adaptation:
    """Adapt with each strategy's images, and state whether any strategy beats random (`Adaptation.verdict`).

    Random is always in it. Half of each secondary's photographs is chosen from and all models are scored on the other half,
    so that no strategy is judged on other images than another.

    Parameters
    ----------
    primary, secondaries, model, background, blind
        The datasets and the segmenter, as `howfar.adapt` takes them.
    out
        Folder of the study; one that `howfar.adapt` wrote with the same settings of training is gone on with.

    Raises
    ------
    HowfarError
        As `howfar.adapt`.
    """
    given = checked(BakeoffOptions, options)
    names = given["strategies"] or registry.names("strategies")
    given["strategies"] = (*(name for name in names if name != RANDOM), RANDOM)
    return adapt(primary, secondaries, model, out=out, background=background, blind=blind, **given)
