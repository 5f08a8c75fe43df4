"""The models of an adaptation study on disk: trained once, predicted once, whenever the study is run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from howfar.data import Dataset, content_hash, read_bytes
from howfar.errors import HowfarError
from howfar.pipeline.prediction import Model, load_model, predict
from howfar.results import Evaluation
from howfar.segmenters import recipe_of
from howfar.segmenters.checkpoint import Checkpoint
from howfar.studies.adaptation.leak_guard import Known, check_unseen
from howfar.studies.evaluation.evaluate import evaluate
from howfar.training.examples import Example, fingerprint_of, split
from howfar.training.fit import Task, fit
from howfar.training.settings import TrainSettings


@dataclass(frozen=True)
class StudyFolder:
    """Where the study's models lie, and how they are trained and run.

    Attributes
    ----------
    folder
        Of the study: checkpoints go to models/, maps to maps/.
    segmenter, options, pretrained
        As `howfar.training.fit.Task`.
    primary
        P's name.
    examples
        P's examples.
    device, workers, progress
        As `howfar.training.fit.fit`.
    """

    folder: Path
    segmenter: str
    options: Mapping[str, Any]
    pretrained: bool | Path
    primary: str
    examples: tuple[Example, ...]
    device: str
    workers: int
    progress: bool

    def file(self, label: str) -> Path:
        """Where the checkpoint of this label lies."""
        return self.folder / "models" / f"{label}.safetensors"

    def trained(
        self, label: str, settings: TrainSettings, extra: Sequence[Example], start: Checkpoint | None = None
    ) -> Checkpoint:
        """The model of this label: as it lies there if it was trained on the same images in the same way, else trained."""
        task = Task(
            segmenter=self.segmenter,
            options=self.options,
            primary=self.primary,
            examples=self.examples,
            settings=settings,
            extra=tuple(extra),
            pretrained=self.pretrained,
            start=start,
        )
        file = self.file(label)
        found = _there(file)
        if found is not None and _same(found, task):
            return found
        return fit(task, self.folder / "models", file, device=self.device, workers=self.workers, progress=self.progress)

    def loaded(self, checkpoint: Checkpoint) -> Model:
        """The model, ready to predict."""
        return load_model(checkpoint, device=self.device)

    def signals(self, label: str, model: Model, known: Known) -> Evaluation:
        """What the model's maps of a dataset say without labels: no mask is looked at."""
        blind = replace(known.dataset, items=tuple(replace(item, mask=None) for item in known.dataset.items))
        maps = [self._maps(label, model, blind, flipped) for flipped in (False, True)]
        return evaluate(blind, maps[0], flipped=maps[1], threshold=0.5, progress=False)

    def scored(
        self, label: str, model: Model, known: Known, dataset: Dataset, taken: Collection[str], threshold: float
    ) -> Evaluation:
        """Score the model on a part of a dataset that no model of the study learnt from.

        Raises
        ------
        LeakError
            One of the images was learnt from.
        """
        check_unseen(known, dataset, taken)
        folder = self._maps(label, model, dataset, flipped=False)
        return evaluate(dataset, folder, threshold=threshold, progress=False)

    def held_out(self, label: str, model: Model, checkpoint: Checkpoint, settings: TrainSettings, known: Known) -> Evaluation:
        """Score the model on P's photographs that were held out, at the threshold that is best there.

        Raises
        ------
        LeakError
            One of the images was learnt from.
        """
        _, held = split(self.examples, settings.holdout, settings.seed)
        names = {one.name for one in held}
        part = replace(known.dataset, items=tuple(item for item in known.dataset.items if item.name in names))
        check_unseen(known, part, checkpoint.card.data["contents"])
        return evaluate(part, self._maps(label, model, part, flipped=False), progress=False)

    def _maps(self, label: str, model: Model, dataset: Dataset, flipped: bool) -> Path:
        folder = self.folder / "maps" / label / f"{dataset.name}{'-flipped' if flipped else ''}"
        predict(model, dataset, folder, flipped=flipped, progress=self.progress)
        return folder


def _there(file: Path) -> Checkpoint | None:
    """The checkpoint at a path; none where there is none or it is damaged: then it is trained again."""
    try:
        return Checkpoint.load(file)
    except HowfarError:
        return None


def _same(found: Checkpoint, task: Task) -> bool:
    """Whether a checkpoint is what the task would give: the same architecture, settings, images and start."""
    card = found.card
    learnt, held = split(task.examples, task.settings.holdout, task.settings.seed)
    began = None if task.start is None else task.start.card.weights
    pretrained = task.pretrained if isinstance(task.pretrained, bool) else str(task.pretrained)
    return (
        card.segmenter == task.segmenter
        and dict(card.options) == dict(recipe_of(task.segmenter).checked(task.options))
        and card.settings == task.settings.model_dump()
        and card.data["started_from"] == began
        and card.data.get("pretrained", pretrained) == pretrained
        and Counter(card.data["held_out"]) == Counter(content_hash(read_bytes(one.path)) for one in held)
        and card.data["fingerprint"] == fingerprint_of([*learnt, *task.extra])
    )
