"""An adaptation study from its datasets and settings to its result: choose, train, score."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from howfar.data import Dataset, content_hash, read_bytes
from howfar.errors import InputError
from howfar.pipeline.prediction import Model
from howfar.results import Comparison, Provenance
from howfar.results.adaptation import BASELINE, Adaptation
from howfar.segmenters.checkpoint import Checkpoint
from howfar.studies.adaptation.false_positive_suppression import suppression_of
from howfar.studies.adaptation.leak_guard import Known, Part
from howfar.studies.adaptation.models import StudyFolder
from howfar.studies.adaptation.settings import ANEW, AdaptSettings, Arm
from howfar.studies.adaptation.tables import gains_of, images_of, model_row, score_row
from howfar.studies.distance import compare
from howfar.studies.selection import select
from howfar.training.image_mask_pairs import Example, examples_of
from howfar.training.settings import TrainSettings


@dataclass
class Study:
    """The datasets and settings of a study, and what has been found so far."""

    config: AdaptSettings
    place: StudyFolder
    settings: TrainSettings
    primary: Known
    secondaries: list[Known]
    blind: list[Known]
    background: Known | None
    picks: list[dict[str, Any]] = field(default_factory=list)
    distances: dict[int, pd.DataFrame] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    models: list[dict[str, Any]] = field(default_factory=list)
    scores: list[dict[str, Any]] = field(default_factory=list)
    images: list[pd.DataFrame] = field(default_factory=list)

    def run(self) -> Adaptation:
        """Choose, train and score; what lies in the study's folder already is not made again."""
        known = [self.primary, *self.secondaries, *self.blind, *([] if self.background is None else [self.background])]
        self.notes += [
            f"group {self.config.group!r} matches no image of {one.dataset.name}: its photographs were guessed from the names"
            for one in known
            if self.config.group is not None and one.group is None
        ]
        for seed in self.config.all_seeds:
            self._choose(seed)
        parts = self._parts()
        for seed in self.config.all_seeds:
            for arm in (None, *self.config.arms(seed)):
                self._score(seed, arm, parts)
        images = pd.concat(self.images, ignore_index=True)
        names = [one.dataset.name for one in self.secondaries]
        background = None if self.background is None else self.background.dataset.name
        pretrained = self.place.pretrained
        return Adaptation(
            primary=self.primary.dataset.name,
            secondaries=tuple(names),
            blind=tuple(one.dataset.name for one in self.blind),
            background=background,
            segmenter=self.place.segmenter,
            settings={
                **self.config.model_dump(),
                "options": dict(self.place.options),
                "pretrained": pretrained if isinstance(pretrained, bool) else str(pretrained.expanduser().absolute()),
                "training": self.settings.model_dump(),
            },
            models=pd.DataFrame(self.models),
            scores=pd.DataFrame(self.scores),
            images=images,
            picks=pd.DataFrame(self.picks),
            gains=gains_of(images, names, self.config),
            suppression=suppression_of(images, background, names, self.config),
            provenance=Provenance.now(),
            notes=tuple(dict.fromkeys(self.notes)),
        )

    def _baseline(self, seed: int) -> Checkpoint:
        return self.place.trained(f"seed{seed}/{BASELINE}", self._settings(seed), ())

    def _settings(self, seed: int) -> TrainSettings:
        return self.settings.model_copy(update={"seed": seed})

    def _choose(self, seed: int) -> None:
        """Distances by M's own features, and every strategy's images of every secondary."""
        checkpoint = self._baseline(seed)
        run = self._distances(seed, checkpoint)
        self.distances[seed] = run.images.set_index(["dataset", "image"])["i_dist_scaled"].to_frame()
        model = self.place.loaded(checkpoint)
        for known in self.secondaries:
            self._choose_of(known, seed, run, model)

    def _choose_of(self, known: Known, seed: int, run: Comparison, model: Model) -> None:
        signals = self.place.signals(f"seed{seed}/{BASELINE}", model, known)
        among = None if self.config.pool is None else known.divided(self.config.pool, 0)[0]
        most = max(self.config.shots)
        for strategy in self.config.strategies_of(seed):
            for count in self.config.shots:
                found = select(run, known.dataset.name, count, strategy, among=among, performance=signals, seed=seed)
                self.notes += [f"{strategy}: {note}" for note in found.notes]
                if found.nested and count < most:
                    continue  # the first of the largest choice are this one
                shared = {"seed": seed, "strategy": strategy, "shots": count, "dataset": known.dataset.name}
                self.picks += [
                    {**shared, "image": one.image, "rank": rank, "distance": one.distance, "content": known.contents[one.image]}
                    for rank, one in enumerate(found.picks, 1)
                ]

    def _distances(self, seed: int, baseline: Checkpoint) -> Comparison:
        return compare(
            self.primary.dataset,
            [one.dataset for one in self.secondaries],
            baseline.card.segmenter,
            weights=self.place.file(f"seed{seed}/{BASELINE}"),
            store=self.place.folder / "store",
            components=self.config.components,
            bootstrap=0,
            permutations=0,
            baselines=False,
            device=self.place.device,
            progress=self.place.progress,
        )

    def _picked(self, seed: int, strategy: str, shots: int) -> list[dict[str, Any]]:
        """The images of one arm: of a nested strategy the first of its largest choice."""
        here = [one for one in self.picks if one["seed"] == seed and one["strategy"] == strategy]
        sizes = {one["shots"] for one in here}
        size = shots if shots in sizes else max(sizes)
        return [one for one in here if one["shots"] == size and one["rank"] <= shots]

    def _parts(self) -> list[Part]:
        """What is evaluated, the same for all models of all seeds."""
        parts = [Part(known, self._kept(known)) for known in (*self.secondaries, *self.blind)]
        if self.background is not None:
            taken = {one.name for one in self._drawn(max(self.config.background_shots, default=0))}
            kept = self.background.apart_from(taken).without([one["content"] for one in self.picks]).dataset
            if kept.items:
                blank = tuple(replace(item, mask=None) for item in kept.items)
                parts.append(Part(self.background, replace(kept, items=blank), blank=True))
            else:
                self.notes.append(
                    f"{kept.name}: every image was learnt from, so that none is left to measure false positives on"
                )
        return parts

    def _kept(self, known: Known) -> Dataset:
        """The images of a dataset that no model of the study learns from."""
        background = {content_hash(read_bytes(one.path)) for one in self._drawn(max(self.config.background_shots, default=0))}
        taken = {*background, *(one["content"] for one in self.picks)}
        if known in self.blind:
            return known.without(taken).dataset
        if self.config.pool is not None:
            found = known.apart_from(known.divided(self.config.pool, 0)[0])
        else:
            found = known.apart_from({one["image"] for one in self.picks if one["dataset"] == known.dataset.name})
        kept = found.without(taken).dataset
        if not kept.items:
            raise InputError(
                f"{known.dataset.name}: every photograph was learnt from by some model: choose fewer, or pass pool_share=0.5"
            )
        return kept

    def _drawn(self, count: int) -> list[Example]:
        """The first background images, in an order that is drawn once for the study."""
        if not count or self.background is None:
            return []
        empty = examples_of(self.background.dataset, self.background.group, blank=True)
        if count > len(empty):
            raise InputError.of("background_shots", f"must be at most the {len(empty)} images of background", count)
        order = np.random.default_rng([0, 5]).permutation(len(empty))
        return [empty[at] for at in order[:count]]

    def _examples(self, seed: int, arm: Arm) -> list[Example]:
        """What an arm adds to P."""
        wanted = {(one["dataset"], one["image"]) for one in self._picked(seed, arm.strategy, arm.shots)}
        found = [
            one
            for known in self.secondaries
            for one in examples_of(known.dataset, known.group)
            if (one.dataset, one.name) in wanted
        ]
        if len(found) < len(wanted):
            missing = sorted(wanted - {(one.dataset, one.name) for one in found})[0]
            raise InputError(f"{missing[0]}/{missing[1]} was chosen to be learnt from and has no mask: label it first")
        return [*found, *self._drawn(arm.background)]

    def _score(self, seed: int, arm: Arm | None, parts: list[Part]) -> None:
        """Train one model, and score it on every part."""
        label, settings = BASELINE if arm is None else arm.label, self._settings(seed)
        where = f"seed{seed}/{label}"
        if arm is None:
            checkpoint = self._baseline(seed)
        else:
            begin = self._baseline(seed) if self.config.start != ANEW else None
            checkpoint = self.place.trained(where, settings, self._examples(seed, arm), begin)
        model = self.place.loaded(checkpoint)
        own = self.place.held_out(where, model, checkpoint, settings, self.primary) if settings.holdout else None
        threshold = 0.5 if own is None else float(own.scores["ods_threshold"] or 0.5)
        self.models.append(model_row(seed, label, arm, checkpoint, threshold, own))
        taken = {one["content"] for one in self.picks} | set(checkpoint.card.data["contents"])
        for part in parts:
            found = self.place.scored(where, model, part.known, part.dataset, taken, threshold)
            images = images_of(found, part, self.distances[seed], seed, label, self.place.folder)
            self.images.append(images)
            if part.blank or any(item.mask is not None for item in part.dataset.items):
                self.scores.append({"seed": seed, "model": label, **score_row(found, images)})
