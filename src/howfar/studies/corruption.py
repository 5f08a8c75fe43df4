"""Score a model on corrupted versions of the primary dataset's own labelled images (`howfar corrupt`)."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from shutil import rmtree
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from howfar.data import Dataset, DatasetArgument, DatasetsArgument, Item, content_hash, decode, each_dataset, read_bytes
from howfar.data.binary_masks import Mask
from howfar.data.dataset_argument import parse_images
from howfar.data.image_and_mask_folders import path_text
from howfar.data.prediction_maps import map_paths, write_map
from howfar.errors import HowfarError, ImageError, InputError, one_line, option
from howfar.io.atomic_writes import replace_text
from howfar.io.file_location import ready_folder
from howfar.io.file_locks import locked
from howfar.option_checks_and_signatures import checked, picked, with_options
from howfar.options_by_function import CorruptOptions, ModelOptions
from howfar.perturb import LabelledPerturbation, labelled_every, labelled_named
from howfar.perturb.image_and_mask_changes import inpaint
from howfar.pipeline.prediction import Model, ModelArgument, is_current, loaded_model, predict
from howfar.progress import bar
from howfar.random_streams import stream
from howfar.results import Evaluation, Skipped
from howfar.results.display_and_shared_records import NetworkReading
from howfar.runners import available_cores
from howfar.studies.evaluate_predictions import UNKNOWN_IMAGES, Seen, evaluate


@dataclass(frozen=True)
class Corruption:
    """Hold a perturbation and its strength."""

    perturbation: LabelledPerturbation
    strength: float

    @property
    def label(self) -> str:
        """Return the corruption's name for tables, such as "fade 0.65"."""
        return self.perturbation.label(self.strength)


def choose(only: str | Sequence[str]) -> tuple[Corruption, ...]:
    """List the wanted corruptions: ``fade`` means its default strengths, ``fade=0.4`` a single one; no name means all."""
    texts = ",".join([only] if isinstance(only, str) else only).split(",")
    wanted = [text.strip() for text in texts if text.strip()]
    if not wanted and only:
        raise InputError.of("only", "must name a perturbation", only, "leave it out for every one")
    chosen: dict[Corruption, None] = {}
    for text in wanted or labelled_every():
        name, given, number = text.partition("=")
        perturbation = labelled_named(name)
        strengths = perturbation.strengths
        if given:
            try:
                strengths = (float(number),)
            except ValueError as error:
                raise InputError.of("only", "must be NAME or NAME=STRENGTH", text, "write fade=0.4") from error
            perturbation.check(strengths[0])
            if strengths[0] == 0:
                rule, remedy = "must have a strength that is not 0", "the images as they are are scored in any case"
                raise InputError.of("only", rule, text, remedy)
        chosen |= {Corruption(perturbation, strength): None for strength in strengths}
    return tuple(chosen)


IMAGES, MASKS = "images", "masks"
_NOT_OURS = "must hold no images that howfar corrupt did not write"


def _masked_image(item: Item) -> tuple[NDArray[np.uint8], NDArray[np.bool_], tuple[str, str]]:
    """Read an image, its mask (blank if absent), and the hashes of both; raise `ImageError` for a file that cannot be used."""
    data = read_bytes(item.path)
    pixels = np.asarray(decode(data).image)
    mask, marks = np.zeros(pixels.shape[:2], np.bool_), ""
    if item.mask is not None:
        mask, _, marks = Mask.read(item.mask)
    if mask.shape != pixels.shape[:2]:
        sizes = (f"{array.shape[1]}×{array.shape[0]}" for array in (mask, pixels))
        raise ImageError("its mask is {} pixels and the image {}".format(*sizes))
    return pixels, mask, (content_hash(data), marks)


ARGUMENT = "predict_command"
_EXAMPLE = '"python my.py {images} {out}"'


@dataclass(frozen=True)
class PredictCommand:
    """Hold a command line with the placeholders {images} and {out} for two folders."""

    text: str
    words: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> PredictCommand:
        """Split a command as a shell does, quotes included; raise `InputError` for invalid quoting or a missing placeholder."""
        try:
            # Paths of Windows are written with the sign that quotes the next one elsewhere.
            words = tuple(shlex.split(text.replace("\\", "\\\\") if os.name == "nt" else text))
        except ValueError as error:
            raise InputError.of(ARGUMENT, f"must be a command line ({one_line(error)})", text, f"write {_EXAMPLE}") from error
        for needed in ("{images}", "{out}"):
            if not any(needed in word for word in words):
                raise InputError.of(ARGUMENT, f"must say where {needed} goes", text, f"write {_EXAMPLE}")
        return cls(text, words)

    def run(self, images: Path, out: Path) -> None:
        """Run the command on a folder of images, without its output; it must write a map of each image to the folder `out`."""
        words = [word.replace("{images}", str(images)).replace("{out}", str(out)) for word in self.words]
        try:
            done = subprocess.run(
                words, capture_output=True, text=True, errors="replace", check=False, stdin=subprocess.DEVNULL
            )
        except OSError as error:
            raise InputError.of(ARGUMENT, f"must be able to start ({error.strerror or error})", words[0]) from error
        if done.returncode:
            lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
            said = one_line(lines[-1]) if lines else "it printed nothing"
            raise InputError.of(ARGUMENT, f"must exit with 0 on {images} ({said})", done.returncode, "try it by hand")

    def predict(self, dataset: Dataset, folder: Path) -> None:
        """Make the command write the maps of a dataset's images and of their mirrored versions; finished folders are reused."""
        contents = sorted(content_hash(read_bytes(item.path)) for item in dataset.items)
        wanted = {"command": self.text, "images": contents}
        self._ensure(dataset, folder / PREDICTIONS, wanted, folder / IMAGES)
        self._ensure(dataset, folder / FLIPPED, wanted, None)

    def _ensure(self, dataset: Dataset, out: Path, wanted: dict[str, Any], images: Path | None) -> None:
        record = out.with_name(f"{out.name}.json")
        before = _read_record(record)
        if _filled(out):
            if before == {**wanted, "done": True}:
                return
            if before is None:
                rule = "must hold no predictions that another model made"
                raise InputError.of("out", rule, str(out), "choose another folder, or remove it")
            rmtree(out)
        out.mkdir(parents=True, exist_ok=True)
        replace_text(record, json.dumps({**wanted, "done": False}))
        if images is not None:
            self.run(images, out)
        else:
            with tempfile.TemporaryDirectory() as scratch:
                for path, item in map_paths(Path(scratch), dataset).items():
                    pixels = np.asarray(decode(read_bytes(item.path)).image)
                    write_map(path, np.ascontiguousarray(pixels[:, ::-1]))
                self.run(Path(scratch), out)
        if not _filled(out):
            raise InputError(f"the command wrote no map into {out}: it must write one for each image into {{out}}")
        replace_text(record, json.dumps({**wanted, "done": True}))

    def refused(self, folder: Path) -> None:
        """Mark a dataset's maps for recomputation in the next run, as they cannot be scored and the command may be fixed."""
        for name in (PREDICTIONS, FLIPPED):
            record = folder / f"{name}.json"
            before = _read_record(record)
            if isinstance(before, dict):
                replace_text(record, json.dumps({**before, "done": False}))


PREDICTIONS, FLIPPED = "predictions", "predictions-flipped"
Predictor = Model | PredictCommand | None
"""None where the user puts the maps into the folders of the sets."""


def _filled(folder: Path) -> Path | None:
    return folder if folder.is_dir() and any(folder.iterdir()) else None


def _read_record(record: Path) -> Any:
    """Read the record of a command's earlier run; return None if it is missing or unreadable."""
    try:
        return json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


UNCHANGED = "unchanged"
FILE = "performance.parquet"
POOL = 64
"""Images of the primary dataset that perturbations draw from at most, where no others are given."""


@dataclass(frozen=True, eq=False)
class CorruptedSets:
    """Hold a dataset's corrupted versions and, if they were predicted, the model's performance on each.

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
    """Make labelled, corrupted versions of a dataset's own labelled images, and score a model on each.

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
    predictor: Predictor = None
    if model is not None:
        if predict_command is not None:
            rule = "is of no use beside a model"
            raise InputError.of("predict_command", rule, predict_command, "leave one of them out")
        predictor = loaded_model(model, loading)
    elif loading:
        name, value = next(iter(loading.items()))
        raise InputError.of(name, "is of use only to a model", value, "pass a model, or leave it out")
    elif predict_command is not None:
        predictor = PredictCommand.of(predict_command)
    whole = parse_images(primary, "primary", "primary")
    items = tuple(item for item in whole.items if item.mask is not None)
    if not items:
        rule, remedy = "must have masks", "put them in masks/ beside images/"
        raise InputError.of("primary", rule, f"{whole.name} without any", remedy)
    whole = replace(whole, items=items)
    if isinstance(predictor, Model):
        predictor = predictor.settled(whole, given["progress"])
    card = predictor.card if isinstance(predictor, Model) else None
    seen = Seen.of(whole, card, group=given["group"])
    images = replace(seen.unseen(whole), skipped=whole.skipped)
    # What perturbations may mix in: the caller's images, otherwise a sample of the dataset's own.
    if others is None:
        order = stream(given["seed"], "images mixed into others").permutation(len(items))[:POOL]
        pool = [items[at] for at in sorted(order.tolist())]
    else:
        read = [parse_images(each, "others", "others") for _, _, each in each_dataset(others, "others")]
        pool = [item for dataset in read for item in dataset.items]
    folder = ready_folder("out", out)
    assert folder is not None  # for the type checker: a folder is always given
    notes = []
    if count := len(seen.contents) + len(seen.tiles):
        notes.append(
            f"{count} labelled images were left out: the model learnt from them, or from other tiles of their photographs"
        )
    if not seen.complete:
        notes.append(UNKNOWN_IMAGES)
    work = _Work(images, folder, pool, predictor, given["seed"], given["tolerance"], tuned_on)
    wanted = bar((None, *chosen), progress=given["progress"], unit="set", desc=f"corrupting {images.name}")
    # A second run with the same folder waits, and then finds all there.
    with locked(folder):
        sets = work.all(wanted, tuple(notes))
    if not isinstance(predictor, Model):
        return sets
    return replace(sets, reading=predictor.reading, notes=(*predictor.warnings, *sets.notes))


@dataclass(frozen=True)
class _Work:
    """Make, predict and score the sets of one dataset's images, each in a folder with ``images/`` and ``masks/``.

    A perturbation may draw a second image from `pool`; a chosen corruption of None means the images as they are.
    """

    images: Dataset
    folder: Path
    pool: Sequence[Item]
    predictor: Predictor
    seed: int
    tolerance: float
    tuned_on: Evaluation | None

    def all(self, wanted: Iterable[Corruption | None], notes: tuple[str, ...]) -> CorruptedSets:
        """Make all sets in turn, the uncorrupted images first, and save each evaluation."""
        images, own = self.images, None
        files, datasets, evaluations = list[Path](), list[Dataset](), list[Evaluation]()
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

    def place(self, chosen: Corruption | None) -> Path:
        return self.folder / (UNCHANGED if chosen is None else f"{chosen.perturbation.name}-{chosen.strength:g}")

    def made(self, chosen: Corruption | None, own: Evaluation | None) -> tuple[Dataset, Evaluation | None]:
        """Make one set and its evaluation; without a perturbation, the evaluation refers to the original image files."""
        place = self.place(chosen)
        name = self.images.name if chosen is None else f"{self.images.name}·{chosen.label}"
        wanted = map_paths(place / IMAGES, self.images).items()
        with ThreadPoolExecutor(available_cores()) as pool:
            outcomes = list(pool.map(lambda pair: self._write(chosen, place, *pair), wanted))
        written = tuple(outcome for outcome in outcomes if isinstance(outcome, Item))
        unread = tuple(replace(outcome, dataset=name) for outcome in outcomes if isinstance(outcome, Skipped))
        dataset = Dataset(name, written, unread, place)
        if not dataset.items:
            received = dataset.skipped[0].reason if dataset.skipped else "none"
            raise InputError.of(f"dataset {self.images.name}", "must hold an image that can be read", received)
        if isinstance(self.predictor, Model):
            for folder, flipped in ((PREDICTIONS, False), (FLIPPED, True)):
                predict(self.predictor, dataset, place / folder, flipped=flipped, progress=False)
        elif self.predictor is not None:
            self.predictor.predict(dataset, place)
        scored = dataset
        if chosen is None:
            # The original files of the images that could be written, so that they are matched by content.
            left_out = {skipped.path for skipped in dataset.skipped}
            items = tuple(item for item in self.images.items if str(item.path) not in left_out)
            scored = replace(self.images, items=items, skipped=(*self.images.skipped, *dataset.skipped))
        maps = _filled(place / PREDICTIONS)
        if maps is None:
            return scored, None
        if chosen is not None and own is None:
            rule = "must hold the predictions of the images as they are too"
            raise InputError.of("out", rule, str(place), f"predict {UNCHANGED}/images")
        tuned_on = own if self.tuned_on is None else self.tuned_on
        threshold, flipped_maps = None if tuned_on is None else tuned_on.threshold, _filled(place / FLIPPED)
        try:
            return scored, evaluate(
                scored, maps, flipped=flipped_maps, threshold=threshold, tolerance=self.tolerance, progress=False
            )
        except HowfarError:
            if isinstance(self.predictor, PredictCommand):
                self.predictor.refused(place)
            raise

    def _write(self, chosen: Corruption | None, place: Path, path: Path, item: Item) -> Item | Skipped:
        below = path.relative_to(place / IMAGES)
        marks = place / MASKS / below
        try:
            pixels, mask, contents = _masked_image(item)
            other, beside = None, list[Any]()
            if chosen is not None and chosen.perturbation.needs_others:
                candidates = [each for each in self.pool if each.path != item.path]
                if not candidates:
                    rule = f"must hold an image beside {item.name} for {chosen.perturbation.name}"
                    raise InputError.of("others", rule, "none", f"pass {option('others', 'FOLDER')}")
                # The draw does not depend on the rest of the dataset.
                rng = stream(self.seed, "corruption", chosen.label, item.name)
                *beside, other = _masked_image(candidates[int(rng.integers(len(candidates)))])
        except ImageError as error:
            return Skipped("", path_text(item.path), str(error))
        depends_on = {
            "corrupted": None if chosen is None else [chosen.perturbation.name, chosen.strength],
            "image": contents,
            "other": other,
            "seed": self.seed,
            "howfar": metadata.version("howfar"),
        }
        signature = json.dumps(depends_on, sort_keys=True)
        if not (is_current(path, signature, _NOT_OURS) & is_current(marks, signature, _NOT_OURS)):
            if chosen is not None:
                others = (inpaint(*beside),) if beside else ()
                pixels, mask = chosen.perturbation(pixels, mask, chosen.strength, seed=self.seed, others=others)
            # The mask first: an image that is there has its mask.
            write_map(marks, np.where(mask, np.uint8(255), np.uint8(0)), signature)
            write_map(path, pixels, signature)
        return Item(below.as_posix(), path, marks)
