"""Train a segmenter with and without a few labelled images of each new site, and measure the gain in score (`howfar adapt`)."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pandas as pd

from howfar import registry
from howfar.adaptation_ways import THEN, TUNED, Given, Steps, adapted, steps_of
from howfar.data import Dataset, DatasetArgument, content_hash, read_bytes
from howfar.data.dataset_argument import parse_images
from howfar.data.image_groups_and_variations import HashedDataset
from howfar.errors import HowfarError, InputError, option
from howfar.experiment_tracking import Log, check_tracker, log_result
from howfar.io.file_location import absolute
from howfar.io.partial_results import part_key, remove_abandoned
from howfar.option_checks_and_signatures import checked, picked, with_options
from howfar.options_by_function import AdaptOptions, BakeoffOptions, TrainingOptions
from howfar.pipeline.embedding import check_reach
from howfar.pipeline.prediction import Model, load_model, predict
from howfar.progress import bar
from howfar.protocols import Runner
from howfar.random_streams import stream
from howfar.results import Evaluation, Provenance
from howfar.results.adaptation_result import BASELINE, F_ODS, STRATA, Adaptation
from howfar.results.checksums_and_overwrite_guard import page_folder
from howfar.runners import make_runner
from howfar.segmenters import segmenter_family
from howfar.segmenters.checkpoint import Checkpoint
from howfar.segmenters.norm_adaptation import norm_layers
from howfar.studies.adaptation import adaptation_tables
from howfar.studies.adaptation.adaptation_tables import (
    ANEW,
    RANDOM,
    RETRAIN,
    Arm,
    EvaluatedPart,
    all_seeds,
    arms_of,
    check_adaptation,
    check_unseen,
    recorded,
    strategies_of,
)
from howfar.studies.compare_datasets import compare
from howfar.studies.evaluate_predictions import evaluate
from howfar.studies.performance.image_performance import UNTUNED
from howfar.studies.run_report import write_run
from howfar.studies.select_images import select
from howfar.studies.study_inputs import check_names, keep_pictures, sources_of
from howfar.training.image_mask_pairs import TrainingExample, examples_of, fingerprint_of, split
from howfar.training.train import TrainingTask, fit
from howfar.training.training_settings import settings_for, settings_of

NORM = "norm"
BASE = Arm(None, 0, way=BASELINE)
"""M, trained on the primary dataset alone."""
MADE_BY = "made_by"
"""The entry of an adapted checkpoint's data from which a study knows that it need not be made again."""


@dataclass
class Study:
    """Hold an adaptation study's settings, the training on its primary alone, its datasets, and the chosen images."""

    config: AdaptOptions
    folder: Path
    task: TrainingTask
    primary: HashedDataset
    secondaries: list[HashedDataset]
    blind: list[HashedDataset]
    background: HashedDataset | None
    runner: Runner | None = None
    picks: list[dict[str, Any]] = field(default_factory=list)
    distances: dict[int, pd.DataFrame] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    ahead: int = 0

    def run(self) -> Adaptation:
        """Choose images, train and score models; existing files in the study's folder are reused."""
        anew = [model for model in self._models() if model[1] == BASE or (model[1].strategy and model[1].way == RETRAIN)]
        self.ahead = sum(not self._file(_label(*model)).exists() for model in anew)
        self._leave_out_ways()
        seeds = all_seeds(self.config)
        self._made_ahead(Study._choose, seeds)
        for seed in seeds:
            picks, self.distances[seed], notes = self._choose(seed)
            self.picks += picks
            self.notes += notes
        parts, trained = self._parts(), self._models()
        self._made_ahead(partial(Study._score, parts=parts), trained)
        models, by_image, scores, strata = zip(*(self._score(model, parts) for model in trained), strict=True)

        images = pd.concat(itertools.chain(*by_image), ignore_index=True)
        names = [hashed.dataset.name for hashed in self.secondaries]
        background = None if self.background is None else self.background.dataset.name
        task = self.task
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
            models=pd.DataFrame(models),
            scores=pd.DataFrame(itertools.chain(*scores)),
            images=images,
            picks=pd.DataFrame(self.picks),
            gains=adaptation_tables.gains_of(images, names, self.config),
            suppression=adaptation_tables.suppression_of(images, background, names, self.config),
            strata=pd.DataFrame(itertools.chain(*strata), columns=list(STRATA)),
            slopes=adaptation_tables.slopes_of(images, self.config["bootstrap"]),
            contributions=adaptation_tables.contributions_of(images, names, self.config),
            provenance=Provenance.now(),
            notes=tuple(dict.fromkeys(self.notes)),
        )

    def _made_ahead(self, make: Callable[[Study, Any], object], tasks: Sequence[Any]) -> None:
        """Make models, features and maps by several processes; this one computes all tables, so that no number differs."""
        if self.runner is None or not self.runner.processes:
            return
        quiet = replace(self, config={**self.config, "progress": False}, runner=None)
        made = self.runner.run(partial(make, quiet), tasks)
        for _ in bar(made, total=len(tasks), desc="models", unit="model", progress=self.config["progress"]):
            continue

    def _leave_out_ways(self) -> None:
        """Drop ways without labels that the architecture lacks, such as batch norm statistics, with a note."""
        network = self._baseline(all_seeds(self.config)[0]).build()
        if norm_layers(network):
            return
        segmenter = self.task.segmenter
        if NORM in self.config["way"].split(THEN):
            rule = f"needs batch norm layers, which {segmenter} does not have"
            raise InputError.of("way", rule, self.config["way"], f"leave {NORM} out")
        kept = tuple(way for way in self.config["without_labels"] if NORM not in way.split(THEN))
        if len(kept) < len(self.config["without_labels"]):
            self.notes.append(f"{segmenter} has no batch norm, so that there is no model that norm adapted")
        self.config = {**self.config, "without_labels": kept}

    def _models(self) -> list[tuple[int, Arm]]:
        return [(seed, arm) for seed in all_seeds(self.config) for arm in (BASE, *arms_of(self.config, seed))]

    def _baseline(self, seed: int) -> Checkpoint:
        return self._trained(_label(seed), seed, ())

    def _trained(self, label: str, seed: int, extra: Sequence[TrainingExample], start: Checkpoint | None = None) -> Checkpoint:
        """Load the model of a label if its images and settings are unchanged, or train it; the first says how long all take."""
        file = self._file(label)
        ahead = 0 if file.exists() else self.ahead
        self.ahead -= ahead
        balance = {} if extra else {"balance": None}
        settings = self.task.settings.model_copy(update={"seed": seed, **balance})
        task, checkpoint = replace(self.task, settings=settings, extra=tuple(extra), start=start), _load(file)
        if checkpoint is not None and _same(checkpoint, task):
            return checkpoint
        return fit(task, self.folder / "models", file, models=ahead, log=self._log(label), **self._how())

    def _adapted(
        self, label: str, steps: Steps, checkpoint: Checkpoint, site: Dataset | None, picks: Sequence[TrainingExample]
    ) -> Checkpoint:
        """Load the model of a label if the steps, weights and images are unchanged; otherwise adapt it."""
        way, hidden = THEN.join(step.name for step in steps), None if site is None else site.without_masks()
        described = {
            "way": way,
            "from": checkpoint.card.weights,
            "settings": dict(TUNED),
            "primary": fingerprint_of(self.task.examples),
            "picks": [fingerprint_of([pick]) for pick in picks],
            "site": sorted(content_hash(read_bytes(item.path)) for item in (() if site is None else site.items)),
        }
        key, file = part_key(described), self._file(label)
        existing = _load(file)
        if existing is not None and existing.card.data.get(MADE_BY) == key:
            return existing
        given = Given(self.task.examples, hidden, tuple(picks), self.folder / "models", log=self._log(label), **self._how())
        found = adapted(checkpoint, way, given)
        kept = Checkpoint(replace(found.card, data={**found.card.data, MADE_BY: key}), found.state)
        kept.save(file)
        return kept

    def _file(self, label: str) -> Path:
        return self.folder / "models" / f"{label}.safetensors"

    def _log(self, label: str) -> Log | None:
        """Return the log for the training of a label, as a part of the study's."""
        return Log.of(self.config["log"], label, self.folder.name)

    def _how(self) -> Any:
        return {name: self.config[name] for name in ("device", "workers", "progress")}

    def _loaded(self, checkpoint: Checkpoint) -> Model:
        return load_model(checkpoint, device=self.config["device"])

    def _maps(self, label: str, model: Model, dataset: Dataset, flipped: bool = False) -> Path:
        folder = self.folder / "maps" / label / f"{dataset.name}{'-flipped' if flipped else ''}"
        predict(model, dataset, folder, flipped=flipped, progress=self.config["progress"])
        return folder

    def _tuned(self, label: str, model: Model, checkpoint: Checkpoint, seed: int) -> tuple[Evaluation | None, float]:
        """Score the model on the primary dataset's held-out photographs, if any, and return their best threshold too."""
        holdout, primary = self.task.settings.holdout, self.primary.dataset
        if not holdout:
            return None, UNTUNED
        _, held = split(self.task.examples, holdout, seed)
        names = {example.name for example in held}
        part = replace(primary, items=tuple(item for item in primary.items if item.name in names))
        check_unseen(self.primary, part, checkpoint.card.data["contents"])
        own = evaluate(part, self._maps(label, model, part), score_size=self.config["score_size"], progress=False)
        return own, float(own.scores["ods_threshold"] or UNTUNED)

    def _choose(self, seed: int) -> tuple[list[dict[str, Any]], pd.DataFrame, list[str]]:
        """Measure distances with the baseline's own features, and choose images by them; return picks, distances and notes."""
        checkpoint = self._baseline(seed)
        run = compare(
            self.primary.dataset,
            [hashed.dataset for hashed in self.secondaries],
            checkpoint.card.segmenter,
            weights=self._file(_label(seed)),
            store=self.folder / "store",
            components=self.config["components"],
            bootstrap=0,
            permutations=0,
            baselines=False,
            device=self.config["device"],
            progress=self.config["progress"],
        )
        model, most = self._loaded(checkpoint), max(self.config["shots"])
        picks, notes = list[dict[str, Any]](), list[str]()
        for hashed in self.secondaries:
            # Signals need no masks.
            blind = hashed.dataset.without_masks()
            maps = [self._maps(_label(seed), model, blind, flipped) for flipped in (False, True)]
            signals = evaluate(blind, maps[0], flipped=maps[1], threshold=0.5, progress=False)
            among = self._pool(hashed)
            for strategy, count in itertools.product(strategies_of(self.config, seed), self.config["shots"]):
                chosen = select(run, hashed.dataset.name, count, strategy, among=among, performance=signals, seed=seed)
                notes += [f"{strategy}: {note}" for note in chosen.notes]
                if chosen.nested and count < most:
                    continue  # they are the first of the largest choice
                shared = {"seed": seed, "strategy": strategy, "shots": count, "dataset": hashed.dataset.name}
                for rank, pick in enumerate(chosen.picks, 1):
                    own = {"image": pick.image, "rank": rank, "distance": pick.distance, "content": hashed.contents[pick.image]}
                    picks.append({**shared, **own})
        return picks, run.images.set_index(["dataset", "image"])["i_dist_scaled"].to_frame(), notes

    def _pool(self, hashed: HashedDataset) -> list[str] | None:
        """Return the names of a secondary's images that may be chosen, the rest being scored; None: all."""
        return None if self.config["pool_share"] is None else hashed.divided(self.config["pool_share"], 0)[0]

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
        name, names = hashed.dataset.name, self._pool(hashed)
        if names is None:
            names = [pick["image"] for pick in self.picks if pick["dataset"] == name]
        unseen = hashed.apart_from(names).without(taken).dataset
        if not unseen.items:
            fewer = f"choose fewer, or pass {option('pool_share', 0.5)}"
            raise InputError(f"{name}: every photograph was learnt from by some model: {fewer}")
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

    def _shared(self, seed: int, arm: Arm) -> Checkpoint:
        """Return the model after the steps that learn from all datasets' labels, before steps for single datasets."""
        baseline, (shared, _) = self._baseline(seed), _steps(arm)
        if arm.way == RETRAIN:
            begin = baseline if self.config["start"] != ANEW else None
            return self._trained(_label(seed, arm), seed, self._examples(seed, arm), begin)
        return self._adapted(_label(seed, arm), shared, baseline, None, self._examples(seed, arm)) if shared else baseline

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

    def _score(
        self, trained: tuple[int, Arm], parts: list[EvaluatedPart]
    ) -> tuple[dict[str, Any], list[pd.DataFrame], list[dict[str, Any]], list[dict[str, Any]]]:
        """Train one model, and score it on every part; return its rows of the tables models, images, scores and strata."""
        seed, arm = trained
        path, checkpoint = _label(seed, arm), self._shared(seed, arm)
        model = self._loaded(checkpoint)
        own, threshold = self._tuned(path, model, checkpoint, seed)
        row = {"seed": seed, "model": arm.label}
        kind = {"strategy": arm.strategy, "shots": arm.shots, "background": arm.background}
        at_home = {"threshold": threshold, "held_out_ods": None if own is None else own.scores["ods"]}
        tables, scores, strata = list[pd.DataFrame](), list[dict[str, Any]](), list[dict[str, Any]]()
        _, own_steps = _steps(arm)
        for part in parts:
            there, by, at = checkpoint, model, threshold
            if own_steps:
                # These learn from the dataset's unlabelled images; with `pool_share`, from the part that is chosen from.
                whole, site = part.hashed.dataset, part.dataset
                if part.hashed in self.secondaries and (pool := self._pool(part.hashed)) is not None:
                    inside = set(pool)
                    site = replace(whole, items=tuple(item for item in whole.items if item.name in inside))
                picks = [each for each in self._examples(seed, arm) if each.dataset == whole.name] if arm.strategy else []
                there = self._adapted(f"{path}/{whole.name}", own_steps, checkpoint, site, picks)
                by = self._loaded(there)
                if any(step.trains for step in own_steps):
                    _, at = self._tuned(f"{path}/by-site/{whole.name}", by, there, seed)
            check_unseen(part.hashed, part.dataset, {pick["content"] for pick in self.picks} | set(there.card.learnt))
            maps, size = self._maps(path, by, part.dataset), self.config["score_size"]
            evaluation = evaluate(part.dataset, maps, threshold=at, score_size=size, progress=False)
            images = adaptation_tables.images_of(evaluation, part, self.distances[seed], seed, arm.label, self.folder)
            tables.append(images)
            strata += adaptation_tables.strata_of(evaluation, images, at)
            if part.blank or any(item.mask is not None for item in part.dataset.items):
                known = {name: evaluation.scores[name] for name in ("ods", "ods_threshold", "f", "mean_f")}
                # False positives are averaged over images without foreground.
                means = {"mean_f_ods": images[F_ODS].mean(), "false_positive_share": images["false_positive_share"].mean()}
                known |= {name: None if np.isnan(value) else float(value) for name, value in means.items()}
                scores.append({**row, "dataset": evaluation.dataset, "n": evaluation.n, **known})
        return {**row, **kind, "weights": checkpoint.card.weights, **at_home}, tables, scores, strata


def _label(seed: int, arm: Arm = BASE) -> str:
    """Return the path of a seed's model below models/ and maps/."""
    return f"seed{seed}/{arm.label}"


def _steps(arm: Arm) -> tuple[Steps, Steps]:
    """Split an arm's way into steps that learn from all datasets' labels together, and later steps for each dataset."""
    steps = () if arm == BASE else steps_of(arm.way)
    shared = tuple(itertools.takewhile(lambda step: step.needs != "images", steps if arm.strategy else ()))
    return shared, steps[len(shared) :]


def _load(file: Path) -> Checkpoint | None:
    """Load a checkpoint; return None if it is missing or damaged, so that the model is trained again."""
    try:
        return Checkpoint.load(file)
    except HowfarError:
        return None


def _same(checkpoint: Checkpoint, task: TrainingTask) -> bool:
    """Return whether a checkpoint has the wanted architecture, settings, images and initial weights."""
    card = checkpoint.card
    learnt, held = split(task.examples, task.settings.holdout, task.settings.seed)
    start = None if task.start is None else task.start.card.weights
    pretrained = task.pretrained if isinstance(task.pretrained, bool) else str(task.pretrained)
    return (
        card.segmenter == task.segmenter
        and dict(card.options) == dict(segmenter_family(task.segmenter).checked(task.options))
        and settings_of(card) == task.settings
        and card.data["started_from"] == start
        and card.data.get("pretrained", pretrained) == pretrained
        and Counter(card.data["held_out"]) == Counter(content_hash(read_bytes(example.path)) for example in held)
        and card.data["fingerprint"] == fingerprint_of([*learnt, *task.extra])
    )


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
    task = TrainingTask(
        segmenter=model,
        options=dict(family.checked(given["options"] or {})),
        primary=p.dataset.name,
        examples=examples_of(p.dataset, p.group),
        settings=settings,
        pretrained=pretrained if isinstance(pretrained, bool) else Path(pretrained),
        group=p.group,
    )
    given["workers"] = 0 if runner.processes else given["workers"] or 0  # with processes, their number
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
    unmatched = [each.dataset.name for each in every if group is not None and each.group is None]
    notes = [f"group {group!r} matches no image of {name}: its photographs were guessed from the names" for name in unmatched]
    adaptation = Study(given, folder, task, p, others, unseen, empty, runner, notes=notes).run()
    adaptation = replace(adaptation, sources=sources_of(datasets, *([argument] for argument in arguments)))
    write_run(adaptation, folder)
    # Mean F of each model and dataset over the seeds, and gains with their intervals.
    means = adaptation.scores.groupby(["model", "dataset"])["mean_f"].mean()
    gains = adaptation.gains.set_index(["model", "dataset"])[["gain", "low", "high"]]
    means.index, gains.index = (table.index.map(" on ".join) for table in (means, gains))
    numbers = {"mean_f": means.to_dict(), "gain": gains.to_dict("index")}
    log_result(Log.of(given["log"], folder.name, folder.name), recorded(given), numbers)
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
