"""Write a dataset's predictions as a folder of 8-bit probability maps, and go on where a killed run stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias, Unpack

import numpy as np
from numpy.typing import NDArray
from torch import nn

from howfar.backbones.torch_backbone import resolve_device
from howfar.data import Dataset, DatasetArgument, content_hash, decode, parse, read_bytes
from howfar.data.folder_walk import printable
from howfar.data.item import Item
from howfar.data.probability_map_files import map_paths, signature_of, write_map
from howfar.errors import ImageError, InputError
from howfar.keywords import ModelOptions, PredictOptions
from howfar.options import Floats
from howfar.pipeline.image_sizes import size_note
from howfar.pipeline.norm_adaptation import ADAPTED, WARNING, adapt_statistics
from howfar.progress import bar
from howfar.results import Skipped
from howfar.results.json_values import plain
from howfar.runners import available_cores
from howfar.segmenters import segmenter_family
from howfar.segmenters.checkpoint import Card, Checkpoint
from howfar.segmenters.predictor import Predictor, check_squares
from howfar.segmenters.probability_models import Probabilities, Reading, of_module, of_onnx, of_segmenter
from howfar.settings import checked, picked, with_options
from howfar.weights.onnx_files import hash_onnx
from howfar.weights.state_dicts import hash_state_dict

ONNX = ".onnx"
ModelArgument: TypeAlias = "Model | Checkpoint | nn.Module | str | Path"
"""A model that predicts maps: a checkpoint or its file, an ``.onnx`` file, a torch module, or what `load_model` made."""


@dataclass(frozen=True)
class Predicted:
    """Report what became of a dataset's images when they were predicted.

    Attributes
    ----------
    folder
        Where the maps are.
    written, kept
        Maps that were made, and those that were there already.
    skipped
        Images that could not be read, and why.
    notes
        What whoever uses the maps should know: that the model was adapted, and images that are much larger than what it learnt
        from.
    """

    folder: Path
    written: int
    kept: int
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Model:
    """Hold a predictor, what its maps depend on, as JSON values, and the checkpoint's card where it is one of howfar's."""

    predictor: Predictor
    identity: dict[str, Any]
    card: Card | None = None


@with_options(ModelOptions)
def load_model(
    model: Checkpoint | nn.Module | str | Path, *, reading: Reading | None = None, **options: Unpack[ModelOptions]
) -> Model:
    """Make a predictor of a checkpoint, an ONNX file or a torch module.

    Parameters
    ----------
    model
        A `Checkpoint`, the path of one or of an ``.onnx`` file, or a torch module in memory.
    reading
        How a foreign network is fed and read.

    Raises
    ------
    HowfarError
        It cannot be loaded, or an option is of no use to it.
    """
    given = checked(ModelOptions, options)
    size, tiled, precision = given["size"], given["tiled"], given["precision"]
    if isinstance(model, (str, Path)) and Path(model).suffix.lower() != ONNX:
        model = Checkpoint.load(model)
    where = resolve_device(given["device"])
    if not isinstance(model, Checkpoint):
        network, identity = _foreign(model, where, size, reading or Reading(), precision)
    elif reading is not None:
        received = model.card.segmenter
        raise InputError.of("mean, std, output and channel", "are of use only to a foreign network", received, "leave them out")
    else:
        size = model.card.size if size is None else size
        _check_side(size, model)
        network, identity = of_segmenter(model.build(), where, precision), {"weights": model.card.weights}
    card = model.card if isinstance(model, Checkpoint) else None
    assert size is not None  # for the type checker: _foreign refuses None
    # Maps of before there was a choice are those of float32.
    beside = {} if precision == "32" else {"precision": precision}
    return Model(Predictor(network, size, tiled, given["batch"]), {**identity, "size": size, "tiled": tiled, **beside}, card)


def _foreign(
    model: Any, where: Any, size: int | None, reading: Reading, precision: Floats
) -> tuple[Probabilities, dict[str, Any]]:
    if size is None:
        rule = "must be given for a network that is no checkpoint of howfar's"
        raise InputError.of("size", rule, size, "pass the side of its input")
    beside = {name: plain(value) for name, value in asdict(reading).items()}
    if isinstance(model, (str, Path)):
        if precision != "32":
            raise InputError.of("precision", "is of no use to an .onnx file", precision, "export it in that precision")
        network = of_onnx(model, reading)
        return network, {"weights": hash_onnx(Path(model)), **beside}
    if not isinstance(model, nn.Module):
        raise InputError.of("model", "must be a checkpoint, an .onnx file or a torch module", type(model).__name__)
    # Two networks without weights, say, differ in how they are built alone.
    built = hashlib.sha256(f"{type(model).__module__}.{type(model).__qualname__} {model!r}".encode()).hexdigest()
    identity = {"weights": hash_state_dict(model.state_dict()), "built": built, **beside}
    return of_module(model, where, reading, precision), identity


@with_options(PredictOptions)
def predict(
    model: ModelArgument,
    dataset: DatasetArgument,
    out: str | Path,
    *,
    reading: Reading | None = None,
    **options: Unpack[PredictOptions],
) -> Predicted:
    """Write a dataset's probability maps, 8-bit grey PNG by the images' names, as ``howfar evaluate --predictions`` reads them.

    A map that the same model made of the same image, by content, is kept; so a run that was killed goes on where it was.

    Parameters
    ----------
    model
        A `Checkpoint`, the path of one or of an ``.onnx`` file, a torch module in memory, or a `Model` that `load_model` made
        of one of these, and none of its options.
    dataset
        A dataset, or an argument that `howfar.data.parse` understands.
    out
        Where the map of image ``a/1.jpg`` goes to ``a/1.png``.
    reading
        How a foreign network is fed and read.

    Raises
    ------
    HowfarError
        As `load_model`; no image can be read; a file at a map's place that no howfar wrote.
    """
    images = parse(dataset)
    if not isinstance(images, Dataset):
        raise InputError.of("dataset", "must be images, not embeddings", images.name)
    given, loading = checked(PredictOptions, options), picked(ModelOptions, options)
    if given["adapt"] == "norm":
        model = _adapted(model, images, given)
    elif idle := {name: value for name, value in options.items() if name in ("share", "seed")}:
        name, value = next(iter(idle.items()))
        raise InputError.of(name, "is of use only to an adapted model", value, "pass adapt too, or leave it out")
    if isinstance(model, Model) and (loading or reading is not None):
        names = ", ".join([*loading, *([] if reading is None else ["reading"])])
        raise InputError.of("model", "must not be loaded already", names, "pass these to load_model")
    loaded = model if isinstance(model, Model) else load_model(model, reading=reading, **loading)
    check_squares(min(loaded.predictor.batch, len(images)), loaded.predictor.size)
    maps = _Maps(images, loaded, given["flipped"])
    written = kept = 0
    skipped: list[Skipped] = list(images.skipped)
    wanted = list(map_paths(out, images).items())
    desc = f"predicting {images.name}{', mirrored' if given['flipped'] else ''}"
    with bar(progress=given["progress"], total=len(wanted), desc=desc, unit="image") as shown:
        for group in maps.batches(wanted):
            done = maps.write(group)
            written += done.written
            kept += done.kept
            skipped += done.skipped
            shown.update(len(group))
    if not written and not kept:
        raise InputError.of(
            f"dataset {images.name}", "must hold an image that can be read", skipped[0].reason if skipped else "none"
        )
    return Predicted(Path(out), written, kept, tuple(skipped), _notes(images, loaded, [path for path, _ in wanted]))


def _adapted(model: ModelArgument, images: Dataset, given: PredictOptions) -> Checkpoint:
    """Adapt a checkpoint to the images that are to be predicted."""
    if isinstance(model, (str, Path)) and Path(model).suffix.lower() != ONNX:
        model = Checkpoint.load(model)
    if not isinstance(model, Checkpoint):
        raise InputError.of("adapt", "must be none for what is no checkpoint of howfar train", given["adapt"], "leave it out")
    if given["size"] is not None:
        if given["size"] < 1:
            raise InputError.of("size", "must be at least 1", given["size"])
        _check_side(given["size"], model)
    return adapt_statistics(model, images, share=given["share"], size=given["size"], tiled=given["tiled"], seed=given["seed"])


def _notes(images: Dataset, model: Model, maps: Sequence[Path]) -> tuple[str, ...]:
    if model.card is None:
        return ()
    adapted = [WARNING.format(model.card.data[ADAPTED]["dataset"])] if ADAPTED in model.card.data else []
    note = ""
    if not model.predictor.tiled:
        note = size_note(images.name, model.card.data, model.card.size, model.predictor.size, maps)
    return (*adapted, *([note] if note else []))


@dataclass(frozen=True)
class _Done:
    written: int
    kept: int
    skipped: list[Skipped]


@dataclass(frozen=True)
class _Maps:
    """Write the maps of a dataset's images, group by group."""

    dataset: Dataset
    model: Model
    flipped: bool

    def batches(self, wanted: Sequence[tuple[Path, Item]]) -> Iterator[Sequence[tuple[Path, Item]]]:
        """Yield a few batches at a time, so that reading is spread over the cores and little is lost by a kill."""
        size = 4 * self.model.predictor.batch
        for start in range(0, len(wanted), size):
            yield wanted[start : start + size]

    def write(self, group: Sequence[tuple[Path, Item]]) -> _Done:
        with ThreadPoolExecutor(available_cores()) as pool:
            read = list(pool.map(lambda pair: self._read(*pair), group))
        skipped = [outcome for outcome in read if isinstance(outcome, Skipped)]
        fresh = [outcome for outcome in read if isinstance(outcome, tuple)]
        maps = self.model.predictor.maps([picture for _, picture, _ in fresh])
        for (path, _, signature), values in zip(fresh, maps, strict=True):
            write_map(path, values, signature)
        return _Done(len(fresh), len(read) - len(skipped) - len(fresh), skipped)

    def _read(self, path: Path, item: Item) -> tuple[Path, NDArray[np.uint8], str] | Skipped | None:
        """Read an image and its map's signature; None where that map is written already."""
        try:
            data = read_bytes(item.path)
            signature = self._signature(content_hash(data))
            existing = signature_of(path)
            if existing == "":
                raise InputError.of(
                    "out", "must hold no maps that howfar predict did not write", str(path), "choose another folder"
                )
            if existing == signature:
                return None
            picture = np.asarray(decode(data).image)
        except ImageError as error:
            return Skipped(self.dataset.name, printable(item.path), str(error))
        return path, np.ascontiguousarray(picture[:, ::-1]) if self.flipped else picture, signature

    def _signature(self, content: str) -> str:
        return json.dumps({**self.model.identity, "flipped": self.flipped, "image": content}, sort_keys=True)


def _check_side(size: int, model: Checkpoint) -> None:
    recipe = segmenter_family(model.card.segmenter)
    if size % recipe.multiple:
        raise InputError.of("size", f"must be a multiple of {recipe.multiple} for {recipe.name}", size)
