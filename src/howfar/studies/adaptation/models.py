"""List the models of an adaptation study (`Arm`), check its options, and stop a score on images that a model learnt from."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from howfar.adaptation_ways import steps_of
from howfar.data import Dataset
from howfar.data.name_attributes import HashedDataset
from howfar.errors import InputError, LeakError
from howfar.options_by_function import AdaptOptions
from howfar.selection import named

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
