"""List the models of an adaptation study (`Arm`), train and load them, and score each on images that it did not learn from."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from howfar.adaptation_ways import TUNED, Given, adapted, steps_of
from howfar.data import Dataset, content_hash, read_bytes
from howfar.data.name_attributes import HashedDataset
from howfar.errors import HowfarError, InputError, LeakError
from howfar.experiment_tracking import Log
from howfar.io.partial_results import part_key
from howfar.options_by_function import AdaptOptions
from howfar.pipeline.prediction import Model, load_model, predict
from howfar.results import Evaluation
from howfar.segmenters import segmenter_family
from howfar.segmenters.checkpoint import Checkpoint
from howfar.selection import named
from howfar.studies.evaluate_predictions import evaluate
from howfar.training.image_mask_pairs import TrainingExample, fingerprint_of, split
from howfar.training.train import TrainingTask, fit
from howfar.training.training_settings import TrainSettings, settings_of

ANEW, GOING_ON = "anew", "tuned"
"""How the training of an adapted model begins."""
RANDOM = "random"
RETRAIN = "retrain"


@dataclass(frozen=True)
class Arm:
    """Describe an adapted model: way, strategy (None without labels), and numbers of labelled and background images."""

    strategy: str | None
    shots: int
    background: int = 0
    way: str = RETRAIN

    @property
    def label(self) -> str:
        """Return the model's name in folders and tables; the study's way for labelled images is not part of the name."""
        if self.strategy is None:
            return self.way
        return f"{self.strategy}-{self.shots}" + (f"-B{self.background}" if self.background else "")


def check_adaptation(options: AdaptOptions, *, background: bool, blind: bool) -> None:
    """Raise `InputError` for options that contradict each other, or a way that would learn from fully scored datasets."""
    repeated: list[tuple[str, Sequence[Any]]] = [
        ("shots", options["shots"]),
        ("background_shots", options["background_shots"]),
        ("strategies", options["strategies"]),
        ("seeds and random_seeds", all_seeds(options)),
    ]
    for name, values in repeated:
        if len(set(values)) < len(values):
            raise InputError.of(name, "must not repeat one", list(values))
    if options["random_seeds"] and RANDOM not in options["strategies"]:
        raise InputError.of("random_seeds", "are of use only where random is a strategy", list(options["random_seeds"]))
    for name, values in repeated[:2]:
        if min((*values, 1)) < 1:
            raise InputError.of(name, "must be at least 1", list(values), "the models without any are always trained")
    for strategy in options["strategies"]:
        named(strategy)
    own, without_labels = steps_of(options["way"]), {way: steps_of(way) for way in options["without_labels"]}
    if options["start"] == GOING_ON and options["way"] != RETRAIN:
        rule = f"must be {ANEW} where the way is not {RETRAIN}"
        raise InputError.of("start", rule, options["start"], "leave it out: the way says what training begins with")
    for before, step in itertools.pairwise(own):
        if before.needs == "images" and step.needs != "images":
            rule = f"must do {step.name} first, which learns from the labels of all datasets together"
            raise InputError.of("way", rule, options["way"], "put ways that read unlabelled images last")
    for way, steps in {options["way"]: own, **without_labels}.items():
        if not any(step.learns_from_site for step in steps):
            continue
        if options["pool_share"] is None:
            rule = f"must be given for {way}, which learns from unlabelled images that may not be scored too"
            raise InputError.of("pool_share", rule, None, "pass 0.5")
        for name in (name for name, whole in {"blind": blind, "background": background}.items() if whole):
            rule = f"must not be given with {way}, which would learn from the images that are scored"
            raise InputError.of(name, rule, "some", f"leave {name} out, or {way}")
    for way, steps in without_labels.items():
        if any(step.needs == "labels" for step in steps):
            raise InputError.of("without_labels", "must be ways that need no label", way, "pass it as way")
    if options["background_shots"] and not background:
        raise InputError.of("background_shots", "are of no use without background", list(options["background_shots"]))


def arms_of(options: AdaptOptions, seed: int | None = None) -> tuple[Arm, ...]:
    """List the adapted models of a study or seed: without labels, strategies by shots, background on the most shots."""
    strategies, way = options["strategies"] if seed is None else strategies_of(options, seed), options["way"]
    zero = [Arm(None, 0, way=each) for each in options["without_labels"]]
    plain = [Arm(strategy, shots, way=way) for strategy in strategies for shots in options["shots"]]
    most = max(options["shots"])
    blank = [Arm(strategy, most, count, way) for strategy in strategies for count in options["background_shots"]]
    return (*zero, *plain, *blank)


def strategies_of(options: AdaptOptions, seed: int) -> tuple[str, ...]:
    """Return the strategies used in this seed."""
    return (RANDOM,) if seed in options["random_seeds"] else tuple(options["strategies"])


def all_seeds(options: AdaptOptions) -> tuple[int, ...]:
    """Return the seeds of all strategies, then those of random only."""
    return (*options["seeds"], *options["random_seeds"])


_RECORDED = (
    "shots", "strategies", "seeds", "random_seeds", "background_shots", "pool_share", "start", "way", "without_labels",
    "components", "bootstrap", "group",
)  # fmt: skip


def recorded(options: AdaptOptions) -> dict[str, Any]:
    """Return the options for training and measuring gains under the names of `Adaptation.settings`."""
    values: Mapping[str, Any] = {**options}
    size = {"score_size": values["score_size"]} if values.get("score_size") else {}
    return {"pool" if name == "pool_share" else name: values[name] for name in _RECORDED} | size


@dataclass(frozen=True)
class EvaluatedPart:
    """Hold the evaluated part of a dataset, and whether its images are known to lack foreground."""

    hashed: HashedDataset
    dataset: Dataset
    blank: bool = False


def check_unseen(hashed: HashedDataset, dataset: Dataset, taken: Collection[str]) -> None:
    """Raise `LeakError` if an image of `dataset`, a part of `hashed`, has a content hash in `taken` (learnt images)."""
    learnt = set(taken)
    leaked = [item.name for item in dataset.items if hashed.contents[item.name] in learnt]
    if leaked:
        raise LeakError(
            f"{dataset.name}: {len(leaked)} images that a model learnt from were about to be evaluated (first: {leaked[0]})"
        )


MADE_BY = "made_by"
"""The entry of an adapted checkpoint's data from which a study knows that it need not be made again."""


@dataclass(frozen=True)
class StudyFolder:
    """Hold the folder of a study's models (checkpoints in models/, maps in maps/), and the training on the primary alone."""

    folder: Path
    task: TrainingTask
    device: str
    workers: int
    progress: bool
    tracker: str | None = None
    score_size: int | None = None

    def file(self, label: str) -> Path:
        """Return the path of the checkpoint of a label."""
        return self.folder / "models" / f"{label}.safetensors"

    def log(self, label: str) -> Log | None:
        """Return the log for the training of a label, as a part of the study's."""
        return Log.of(self.tracker, label, self.folder.name)

    def trained(
        self,
        label: str,
        settings: TrainSettings,
        extra: Sequence[TrainingExample],
        start: Checkpoint | None,
        ahead: int,
    ) -> Checkpoint:
        """Load the model of a label if its images and settings are unchanged; otherwise train it (`ahead` models follow)."""
        task = replace(self.task, settings=settings, extra=tuple(extra), start=start)
        file = self.file(label)
        checkpoint = _load(file)
        if checkpoint is not None and _same(checkpoint, task):
            return checkpoint
        how: Any = {"device": self.device, "workers": self.workers, "progress": self.progress}
        return fit(task, self.folder / "models", file, models=ahead, log=self.log(label), **how)

    def adapted(self, label: str, way: str, checkpoint: Checkpoint, given: Given) -> Checkpoint:
        """Load the model of a label if the way, weights and images are unchanged; otherwise adapt it."""
        site = () if given.site is None else tuple(item.path for item in given.site.items)
        described = {
            "way": way,
            "from": checkpoint.card.weights,
            "settings": dict(TUNED),
            "primary": fingerprint_of(given.examples),
            "picks": [fingerprint_of([pick]) for pick in given.picks],
            "site": sorted(content_hash(read_bytes(path)) for path in site),
        }
        key, file = part_key(described), self.file(label)
        existing = _load(file)
        if existing is not None and existing.card.data.get(MADE_BY) == key:
            return existing
        found = adapted(checkpoint, way, replace(given, log=self.log(label)))
        kept = Checkpoint(replace(found.card, data={**found.card.data, MADE_BY: key}), found.state)
        kept.save(file)
        return kept

    def given(self, site: Dataset | None, picks: Sequence[TrainingExample]) -> Given:
        """Return the data and settings from which a way of adapting may learn."""
        hidden = None if site is None else site.without_masks()
        how: Any = {"device": self.device, "workers": self.workers, "progress": self.progress}
        return Given(self.task.examples, hidden, tuple(picks), self.folder / "models", **how)

    def loaded(self, checkpoint: Checkpoint) -> Model:
        """Load a checkpoint's model for prediction."""
        return load_model(checkpoint, device=self.device)

    def signals(self, label: str, model: Model, hashed: HashedDataset) -> Evaluation:
        """Compute label-free signals from the model's maps of a dataset, without its masks."""
        blind = hashed.dataset.without_masks()
        maps = [self._maps(label, model, blind, flipped) for flipped in (False, True)]
        return evaluate(blind, maps[0], flipped=maps[1], threshold=0.5, progress=False)

    def scored(
        self, label: str, model: Model, hashed: HashedDataset, dataset: Dataset, taken: Collection[str], threshold: float
    ) -> Evaluation:
        """Score the model on a part of a dataset; raise `LeakError` if a model of the study learnt from an image of it."""
        check_unseen(hashed, dataset, taken)
        folder = self._maps(label, model, dataset, flipped=False)
        return evaluate(dataset, folder, threshold=threshold, score_size=self.score_size, progress=False)

    def held_out(self, label: str, model: Model, checkpoint: Checkpoint, seed: int, hashed: HashedDataset) -> Evaluation | None:
        """Score the model on the primary dataset's held-out photographs, at their best threshold; None if there are none."""
        holdout = self.task.settings.holdout
        if not holdout:
            return None
        _, held = split(self.task.examples, holdout, seed)
        names = {example.name for example in held}
        part = replace(hashed.dataset, items=tuple(item for item in hashed.dataset.items if item.name in names))
        check_unseen(hashed, part, checkpoint.card.data["contents"])
        maps = self._maps(label, model, part, flipped=False)
        return evaluate(part, maps, score_size=self.score_size, progress=False)

    def _maps(self, label: str, model: Model, dataset: Dataset, flipped: bool) -> Path:
        folder = self.folder / "maps" / label / f"{dataset.name}{'-flipped' if flipped else ''}"
        predict(model, dataset, folder, flipped=flipped, progress=self.progress)
        return folder


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
