"""The adaptation study: M, and models that a few labelled images of each secondary dataset were added to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from howfar.data import Dataset, parse
from howfar.errors import InputError
from howfar.pipeline.predicting import Model
from howfar.results import Comparison, Evaluation, Provenance
from howfar.results.adaptation import BASELINE, Adaptation
from howfar.segmenters import recipe_of
from howfar.segmenters.checkpoint import Checkpoint
from howfar.studies.adaptation.config import ANEW, Arm, Config
from howfar.studies.adaptation.models import Place
from howfar.studies.adaptation.tables import gains_of, images_of, score_row
from howfar.studies.adaptation.unseen import Known
from howfar.studies.distance import compare
from howfar.studies.selection import select
from howfar.training.examples import Example, examples_of
from howfar.training.settings import Settings, settings_for


def adapt(
    primary: Any,
    secondaries: Sequence[Any],
    model: str = "unetplusplus",
    *,
    out: str | Path,
    shots: Sequence[int] = (1, 3, 7),
    strategies: Sequence[str] = ("far",),
    seeds: Sequence[int] = (0,),
    pool: float | None = None,
    background: Any = None,
    background_shots: Sequence[int] = (),
    blind: Sequence[Any] = (),
    start: str = ANEW,
    options: Mapping[str, Any] | None = None,
    pretrained: bool | str | Path = True,
    components: int = 25,
    bootstrap: int = 1000,
    group: str | None = None,
    device: str = "auto",
    workers: int = 0,
    progress: bool = True,
    **training: Any,
) -> Adaptation:
    """Train M on P, and M_q on P and q images of each secondary; say what that gained on images that none of them learnt from.

    Section 4.3 and appendix C of the paper. For each seed: M; distances of the secondaries in M's own features; images
    chosen by each strategy; a model for each strategy and number of shots, and with background images. Whatever
    any of them learnt from is left out of every evaluation, with all tiles of its photograph. Each model's threshold is tuned
    on P's held-out photographs. A study that was stopped goes on where it was when it is run again with the same folder.

    Parameters
    ----------
    primary, secondaries
        P with masks; the secondaries with masks: dataset arguments, or datasets.
    model, options, pretrained
        As `howfar.train`.
    out
        Folder of the study: checkpoints, maps, and at the end its tables.
    shots, strategies, seeds
        Images of each secondary; how they are chosen; of training and choosing.
    pool
        Share of each secondary's photographs to choose from; models are scored on the others. By default all may be chosen,
        and what any model of the study learnt from is left out: with many strategies and seeds little would remain.
    background, background_shots
        A dataset without foreground, and how many of its images are added to the models with the most shots.
    blind
        Datasets that are never chosen from, scored where they have masks.
    start
        "anew": every model begins as M did; "tuned": at M's weights.
    components
        Of the projection in which distances are taken.
    bootstrap
        Draws behind the intervals of gains.
    group
        As `howfar.train`.
    device, workers, progress
        As `howfar.training.fit.fit`.
    **training
        As `howfar.train`: size, epochs, batch …; the seed is `seeds`'.

    Raises
    ------
    HowfarError
        Datasets without masks, too few images to choose from, a wrong setting; `LeakError` if an image that a model learnt
        from were about to be evaluated.
    """
    config = Config.checked(
        shots=tuple(sorted(shots)), strategies=tuple(strategies), seeds=tuple(seeds), pool=pool,
        background_shots=tuple(sorted(background_shots)), start=start, components=components, bootstrap=bootstrap, group=group,
    )  # fmt: skip
    if config.background_shots and background is None:
        raise InputError.of("background_shots", "are of no use without background", list(config.background_shots))
    recipe = recipe_of(model)
    settings = settings_for(recipe, **training)
    p = Known.of(_dataset(primary), group)
    place = Place(
        folder=Path(out),
        segmenter=model,
        options=dict(recipe.checked(options or {})),
        pretrained=pretrained if isinstance(pretrained, bool) else Path(pretrained),
        primary=p.dataset.name,
        examples=examples_of(p.dataset, group),
        device=device,
        workers=workers,
        progress=progress,
    )
    own = set(p.contents.values())
    others = [Known.of(_dataset(one), group).without(own) for one in secondaries]
    unseen = [Known.of(_dataset(one), group).without(own) for one in blind]
    names = [p.dataset.name, *(one.dataset.name for one in (*others, *unseen))]
    if len(set(names)) < len(names):
        raise InputError.of("datasets", "must have names of their own", sorted(names), "name them as NAME=PATH")
    empty = None if background is None else Known.of(_dataset(background), group).without(own)
    return _Study(config, place, settings, p, others, unseen, empty).run()


@dataclass
class _Study:
    """The datasets and settings of a study, and what has been found so far."""

    config: Config
    place: Place
    settings: Settings
    primary: Known
    secondaries: list[Known]
    blind: list[Known]
    background: Known | None
    picks: list[dict[str, Any]] = field(default_factory=list)
    distances: dict[int, pd.DataFrame] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def run(self) -> Adaptation:
        for seed in self.config.seeds:
            self._choose(seed)
        parts = [(known, self._kept(known)) for known in (*self.secondaries, *self.blind)]
        models: list[dict[str, Any]] = []
        scores: list[dict[str, Any]] = []
        images: list[pd.DataFrame] = []
        for seed in self.config.seeds:
            for arm in (None, *self.config.arms()):
                self._score(seed, arm, parts, models, scores, images)
        frame = pd.concat(images, ignore_index=True)
        made = Adaptation(
            primary=self.primary.dataset.name,
            secondaries=tuple(one.dataset.name for one in self.secondaries),
            blind=tuple(one.dataset.name for one in self.blind),
            segmenter=self.place.segmenter,
            settings={**self.config.model_dump(), "options": dict(self.place.options), "training": self.settings.model_dump()},
            models=pd.DataFrame(models),
            scores=pd.DataFrame(scores),
            images=frame,
            picks=pd.DataFrame(self.picks),
            gains=gains_of(frame, [one.dataset.name for one in self.secondaries], self.config),
            provenance=Provenance.now(),
            notes=tuple(dict.fromkeys(self.notes)),
        )
        made.save(self.place.folder)
        return made

    def _baseline(self, seed: int) -> Checkpoint:
        return self.place.trained(f"seed{seed}/{BASELINE}", self._settings(seed), ())

    def _settings(self, seed: int) -> Settings:
        return self.settings.model_copy(update={"seed": seed})

    def _choose(self, seed: int) -> None:
        """Distances by M's own features, and every strategy's images of every secondary."""
        run = self._distances(seed, self._baseline(seed))
        self.distances[seed] = run.images.set_index(["dataset", "image"])["i_dist_scaled"].to_frame()
        model: Model | None = None
        most = max(self.config.shots)
        for known in self.secondaries:
            if model is None:
                model = self.place.loaded(self._baseline(seed))
            signals = self.place.signals(f"seed{seed}/{BASELINE}", model, known)
            among = None if self.config.pool is None else known.divided(self.config.pool, 0)[0]
            for strategy in self.config.strategies:
                for count in self.config.shots:
                    found = select(run, known.dataset.name, count, strategy, among=among, performance=signals, seed=seed)
                    self.notes += [f"{strategy}: {note}" for note in found.notes]
                    if found.nested and count < most:
                        continue  # the first of the largest choice are this one
                    shared = {"seed": seed, "strategy": strategy, "shots": count, "dataset": known.dataset.name}
                    self.picks += [
                        {
                            **shared,
                            "image": pick.image,
                            "rank": rank,
                            "distance": pick.distance,
                            "content": known.contents[pick.image],
                        }
                        for rank, pick in enumerate(found.picks, 1)
                    ]

    def _distances(self, seed: int, baseline: Checkpoint) -> Comparison:
        file = self.place.folder / "models" / f"seed{seed}" / f"{BASELINE}.safetensors"
        return compare(
            self.primary.dataset,
            [one.dataset for one in self.secondaries],
            baseline.card.segmenter,
            weights=file,
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

    def _kept(self, known: Known) -> Dataset:
        """The images of a dataset that are evaluated, the same for all models of all seeds."""
        name = known.dataset.name
        if known in self.blind:
            return known.without([one["content"] for one in self.picks]).dataset
        if self.config.pool is not None:
            pool, _ = known.divided(self.config.pool, 0)
            found = known.apart_from(pool)
        else:
            found = known.apart_from({one["image"] for one in self.picks if one["dataset"] == name})
        kept = found.without([one["content"] for one in self.picks]).dataset
        if not kept.items:
            raise InputError(f"{name}: every photograph was learnt from by some model: choose fewer, or pass pool=0.5")
        return kept

    def _examples(self, seed: int, arm: Arm) -> list[Example]:
        """What an arm adds to P."""
        wanted = {(one["dataset"], one["image"]) for one in self._picked(seed, arm.strategy, arm.shots)}
        found = [
            one
            for known in self.secondaries
            for one in examples_of(known.dataset, self.config.group)
            if (one.dataset, one.name) in wanted
        ]
        if len(found) < len(wanted):
            missing = sorted(wanted - {(one.dataset, one.name) for one in found})[0]
            raise InputError(f"{missing[0]}/{missing[1]} was chosen to be learnt from and has no mask: label it first")
        if arm.background and self.background is not None:
            empty = examples_of(self.background.dataset, self.config.group, blank=True)
            if arm.background > len(empty):
                rule = f"must be at most the {len(empty)} images of background"
                raise InputError.of("background_shots", rule, arm.background)
            order = np.random.default_rng([seed, 5]).permutation(len(empty))
            found += [empty[at] for at in order[: arm.background]]
        return found

    def _score(
        self,
        seed: int,
        arm: Arm | None,
        parts: Sequence[tuple[Known, Dataset]],
        models: list[dict[str, Any]],
        scores: list[dict[str, Any]],
        images: list[pd.DataFrame],
    ) -> None:
        """Train one model, and score it on every part."""
        label, settings = BASELINE if arm is None else arm.label, self._settings(seed)
        where = f"seed{seed}/{label}"
        if arm is None:
            checkpoint = self._baseline(seed)
        else:
            begin = self._baseline(seed) if self.config.start != ANEW else None
            checkpoint = self.place.trained(where, settings, self._examples(seed, arm), begin)
        model = self.place.loaded(checkpoint)
        own = self.place.held_out(where, model, settings, self.primary) if settings.holdout else None
        threshold = 0.5 if own is None else float(own.scores["ods_threshold"] or 0.5)
        models.append(_model_row(seed, label, arm, checkpoint, threshold, own))
        taken = {one["content"] for one in self.picks} | set(checkpoint.card.data["contents"])
        for known, part in parts:
            if not any(item.mask is not None for item in part.items):
                self.place.signals(where, model, replace(known, dataset=part))
                continue
            found = self.place.scored(where, model, known, part, taken, threshold)
            scores.append({"seed": seed, "model": label, **score_row(found)})
            images.append(images_of(found, known, self.distances[seed], seed, label))


def _model_row(
    seed: int, label: str, arm: Arm | None, checkpoint: Checkpoint, threshold: float, own: Evaluation | None
) -> dict[str, Any]:
    return {
        "seed": seed,
        "model": label,
        "strategy": None if arm is None else arm.strategy,
        "shots": 0 if arm is None else arm.shots,
        "background": 0 if arm is None else arm.background,
        "weights": checkpoint.card.weights,
        "threshold": threshold,
        "held_out_ods": None if own is None else own.scores["ods"],
    }


def _dataset(argument: Any) -> Dataset:
    found = argument if isinstance(argument, Dataset) else parse(argument)
    if not isinstance(found, Dataset):
        raise InputError.of("dataset", "must be images, not embeddings", found.name)
    return found
