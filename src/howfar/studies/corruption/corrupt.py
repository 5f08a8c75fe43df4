"""Score a model on corrupted versions of the primary dataset's own labelled images, so that no foreign label is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np

from howfar.data import Dataset, DatasetArgument, DatasetsArgument, Item, each_dataset, parse
from howfar.errors import HowfarError, InputError
from howfar.io.location import ready_folder
from howfar.io.lock import locked
from howfar.keywords import CorruptOptions, ModelOptions
from howfar.pipeline.prediction import loaded_model
from howfar.progress import bar
from howfar.results import Evaluation, Skipped
from howfar.results.records import NetworkReading
from howfar.settings import checked, picked, with_options
from howfar.studies.corruption.choice import Chosen, choose
from howfar.studies.corruption.corrupted_images import CorruptedImages
from howfar.studies.corruption.set_predictions import ByCommand, ByHand, ByModel, Predictor, maps_of
from howfar.studies.corruption.user_command import PredictCommand
from howfar.studies.evaluation.evaluate import evaluate
from howfar.studies.evaluation.learnt_images import Seen

if TYPE_CHECKING:
    from howfar.pipeline.prediction import ModelArgument

UNCHANGED = "unchanged"
FILE = "performance.parquet"
POOL = 64
"""Images of the primary dataset that perturbations draw from at most, where no others are given."""


@dataclass(frozen=True, eq=False)
class CorruptedSets:
    """Hold a dataset's corrupted versions, and where they were predicted the model's performance on them.

    Attributes
    ----------
    folder
        Where each set has a folder of its own.
    primary
        The primary dataset's labelled images that the model did not learn from.
    datasets
        The corrupted sets, named like ``roads·fade 0.65``.
    own
        The evaluation of `primary`, whose best threshold the others are scored at; None where there are no predictions.
    evaluations
        One for each corrupted set that has predictions, in the order of `datasets`.
    files
        The Parquet files of `own` and of `evaluations`, as ``--performance`` reads them.
    skipped
        Images of the primary dataset that could not be read, and why.
    notes
        What a reader should know: how many images were left out since the model learnt from them.
    reading
        How a foreign network was fed and read; None for any other model.
    """

    folder: Path
    primary: Dataset
    datasets: tuple[Dataset, ...]
    own: Evaluation | None
    evaluations: tuple[Evaluation, ...]
    files: tuple[Path, ...]
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]
    reading: NetworkReading | None = None


@with_options(CorruptOptions)
def corrupt(
    primary: DatasetArgument,
    out: str | Path,
    *,
    model: ModelArgument | None = None,
    predict_command: str | None = None,
    others: DatasetsArgument | None = None,
    tuned_on: Evaluation | None = None,
    **options: Unpack[CorruptOptions],
) -> CorruptedSets:
    """Make labelled sets of corrupted versions of a dataset's own labelled images, and score a model on each.

    From these sets an estimator of performance can learn where no foreign image is labelled: their masks are known, as the
    corruptions say what becomes of them (a mosaic moves the mask with the image, fading leaves it). Each set is scored at the
    threshold that is best for the images as they are. A run that was killed goes on where it was when it is run again.

    Parameters
    ----------
    primary
        Labelled images of the primary dataset; those that a checkpoint learnt from, and further tiles of their photographs, are
        left out. Of another model pass images that it has not seen.
    out
        A folder, in which each set gets a folder with ``images/``, ``masks/``, and where predicted ``predictions/``,
        ``predictions-flipped/`` and ``performance.parquet``; ``unchanged`` holds the images as they are.
    model
        A checkpoint, an ``.onnx`` file, a torch module, or what `howfar.pipeline.prediction.load_model` made of one.
    predict_command
        A command in place of a model, run without a shell, once for each set and once for its mirrored images: in
        ``"python my.py {images} {out}"`` the words in braces become a folder of PNG images and the folder that takes a map of
        each, as `howfar.evaluate` reads them. Without either, sets are made, and scored where ``predictions/`` is there.
    others
        A dataset or a list of them, whose images perturbations draw from (texture, Fourier amplitudes); by default the primary
        dataset's own, its foreground replaced by what surrounds it.
    tuned_on
        Scores whose threshold is that of all sets; by default those of the images as they are, at their best.

    Raises
    ------
    HowfarError
        A dataset that is missing or has no mask, a model that learnt from all of it, an unknown perturbation, a command that
        fails, files in the folder that howfar did not write.

    Examples
    --------
    >>> import tempfile
    >>> from howfar.demo import write_dataset
    >>> folder = Path(tempfile.mkdtemp())
    >>> roads = write_dataset(folder / "roads", 3, seed=0, size=64)
    >>> sets = corrupt(roads, folder / "sets", only=["fade=0.5", "mosaic"], progress=False)
    >>> [dataset.name for dataset in sets.datasets]
    ['roads·fade 0.5', 'roads·mosaic 2×', 'roads·mosaic 3×']
    """
    given, loading = checked(CorruptOptions, options), picked(ModelOptions, options)
    chosen = choose(given["only"])
    predictor = _predictor(model, predict_command, loading)
    whole = _labelled(_images(primary, "primary"))
    predictor = ByModel(predictor.model.settled(whole, given["progress"])) if isinstance(predictor, ByModel) else predictor
    card = predictor.model.card if isinstance(predictor, ByModel) else None
    seen = Seen.of(whole, card, group=given["group"])
    images = replace(seen.unseen(whole), skipped=whole.skipped)
    pool = _pool(whole.items, others, given["seed"])
    folder = ready_folder("out", out)
    assert folder is not None  # for the type checker: a folder is always given
    work = _Work(images, folder, pool, predictor, given["seed"], given["tolerance"], tuned_on)
    wanted = bar((None, *chosen), progress=given["progress"], unit="set", desc=f"corrupting {images.name}")
    # A second run with the same folder waits, and then finds all there.
    with locked(folder):
        sets = work.all(wanted, tuple(_notes(seen)))
    if not isinstance(predictor, ByModel):
        return sets
    return replace(sets, reading=predictor.model.reading, notes=(*predictor.model.warnings, *sets.notes))


@dataclass(frozen=True)
class _Work:
    """Make, predict and score the sets of one dataset's images."""

    images: Dataset
    folder: Path
    pool: Sequence[Item]
    predictor: Predictor
    seed: int
    tolerance: float
    tuned_on: Evaluation | None

    def all(self, wanted: Iterable[Chosen | None], notes: tuple[str, ...]) -> CorruptedSets:
        """Make the sets one after the other, first the images as they are, and keep what was scored of each."""
        images, own = self.images, None
        files: list[Path] = []
        datasets: list[Dataset] = []
        evaluations: list[Evaluation] = []
        for one in wanted:
            dataset, evaluation = self.made(one, own)
            if evaluation is not None:
                files.append(evaluation.save(self.place(one) / FILE))
            if one is None:
                own, images = evaluation, dataset
            else:
                datasets.append(dataset)
                evaluations += [] if evaluation is None else [evaluation]
        return CorruptedSets(self.folder, images, tuple(datasets), own, tuple(evaluations), tuple(files), images.skipped, notes)

    def place(self, chosen: Chosen | None) -> Path:
        return self.folder / (UNCHANGED if chosen is None else chosen.slug)

    def made(self, chosen: Chosen | None, own: Evaluation | None) -> tuple[Dataset, Evaluation | None]:
        """Make one set; without a perturbation the images as they are, which keep their own files in their evaluation."""
        place = self.place(chosen)
        name = self.images.name if chosen is None else f"{self.images.name}·{chosen.label}"
        dataset = CorruptedImages(chosen, place, self.pool, self.seed).write(self.images, name)
        if not dataset.items:
            received = dataset.skipped[0].reason if dataset.skipped else "none"
            raise InputError.of(f"dataset {self.images.name}", "must hold an image that can be read", received)
        self.predictor.predict(dataset, place)
        scored = dataset if chosen is not None else _as_given(self.images, dataset)
        maps = maps_of(dataset, place)
        if maps is None:
            return scored, None
        if chosen is not None and own is None:
            rule = "must hold the predictions of the images as they are too"
            raise InputError.of("out", rule, str(place), f"predict {UNCHANGED}/images")
        tuned_on = own if self.tuned_on is None else self.tuned_on
        try:
            threshold = None if tuned_on is None else tuned_on.threshold
            return scored, evaluate(
                scored, maps[0], flipped=maps[1], threshold=threshold, tolerance=self.tolerance, progress=False
            )
        except HowfarError:
            self.predictor.refused(place)
            raise


def _as_given(images: Dataset, written: Dataset) -> Dataset:
    """Return the images that could be written by their own files, so that they are known by their content."""
    left_out = {skipped.path for skipped in written.skipped}
    items = tuple(item for item in images.items if str(item.path) not in left_out)
    return replace(images, items=items, skipped=(*images.skipped, *written.skipped))


def _predictor(model: ModelArgument | None, command: str | None, loading: ModelOptions) -> Predictor:
    if model is not None and command is not None:
        raise InputError.of("predict_command", "is of no use beside a model", command, "leave one of them out")
    if model is None:
        if loading:
            name, value = next(iter(loading.items()))
            raise InputError.of(name, "is of use only to a model", value, "pass a model, or leave it out")
        return ByHand() if command is None else ByCommand(PredictCommand.of(command))
    return ByModel(loaded_model(model, loading))


def _images(dataset: DatasetArgument, argument: str) -> Dataset:
    parsed = parse(dataset, unnamed=argument)
    if not isinstance(parsed, Dataset):
        raise InputError.of(argument, "must be images, not embeddings", parsed.name)
    return parsed


def _notes(seen: Seen) -> Iterator[str]:
    count = len(seen.contents) + len(seen.tiles)
    if count:
        yield f"{count} labelled images were left out: the model learnt from them, or from other tiles of their photographs"
    if not seen.complete:
        yield "the model began with the weights of an earlier version, whose images are unknown: some may be among these"


def _labelled(images: Dataset) -> Dataset:
    items = tuple(item for item in images.items if item.mask is not None)
    if not items:
        raise InputError.of("primary", "must have masks", f"{images.name} without any", "put them in masks/ beside images/")
    return replace(images, items=items)


def _pool(own: Sequence[Item], others: DatasetsArgument | None, seed: int) -> tuple[Item, ...]:
    """List the images that perturbations may draw from: the caller's, else some of the dataset's own."""
    if others is not None:
        return tuple(item for _, _, each in each_dataset(others, "others") for item in _images(each, "others").items)
    drawn = np.random.default_rng(seed).permutation(len(own))[:POOL]
    return tuple(own[at] for at in sorted(drawn.tolist()))
