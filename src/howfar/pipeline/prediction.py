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
from howfar.data.images import unused_bits
from howfar.data.item import Item
from howfar.data.item_table import ItemTable, PathTexts
from howfar.data.probability_map_files import map_paths, signature_of, write_map
from howfar.errors import ImageError, InputError
from howfar.keywords import ModelOptions, PredictOptions
from howfar.pipeline.foreign_reading import settled
from howfar.pipeline.image_sizes import size_note
from howfar.pipeline.norm_adaptation import ADAPTED, WARNING, adapt_statistics
from howfar.progress import bar, stage
from howfar.results import Skipped
from howfar.results.json_values import plain
from howfar.results.records import NetworkReading
from howfar.runners import available_cores
from howfar.segmenters import segmenter_family
from howfar.segmenters.checkpoint import Card, Checkpoint
from howfar.segmenters.predictor import Predictor, check_squares
from howfar.segmenters.probability_models import READING, ForeignNetwork, Reading, of_module, of_onnx, of_segmenter
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
        What whoever uses the maps should know: that the model was adapted, images that are much larger than what it learnt
        from, and that a foreign network seems to be fed or read otherwise than it was trained.
    reading
        How a foreign network was fed and read; None for a checkpoint.
    """

    folder: Path
    written: int
    kept: int
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...] = ()
    reading: NetworkReading | None = None


@dataclass(frozen=True)
class Model:
    """Hold a predictor, what its maps depend on, as JSON values, and the checkpoint's card where it is one of howfar's.

    `reading` records how a foreign network is fed and read, once images have settled that; `warnings` what speaks against it.
    """

    predictor: Predictor
    identity: dict[str, Any]
    card: Card | None = None
    reading: NetworkReading | None = None
    warnings: tuple[str, ...] = ()

    def settled(self, images: Dataset, progress: bool = False) -> Model:
        """Settle how a foreign network is fed and read by some of these images; any other model is returned as it is.

        Raises `InputError` where a default is clearly worse than another way.
        """
        network = self.predictor.network
        if not isinstance(network, ForeignNetwork) or self.reading is not None:
            return self
        with stage(f"comparing how {network.name} may be fed and read", progress):
            found = settled(self.predictor, images)
        if found is None:
            return self
        identity = {**self.identity, "output": found.reading.output}
        return Model(found.predictor, identity, None, found.reading, found.warnings)


@with_options(ModelOptions)
def load_model(model: Checkpoint | nn.Module | str | Path, **options: Unpack[ModelOptions]) -> Model:
    """Make a predictor of a checkpoint, an ONNX file or a torch module.

    Parameters
    ----------
    model
        A `Checkpoint`, the path of one or of an ``.onnx`` file, or a torch module in memory.

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
    if isinstance(model, Checkpoint):
        if any(given[name] is not None for name in (*READING, "reading")):
            rule, received = "are of use only to a foreign network", model.card.segmenter
            raise InputError.of("mean, std, output and channel", rule, received, "leave them out")
        size = model.card.size if size is None else size
        _check_side(size, model)
        identity: dict[str, Any] = {"weights": model.card.weights}
        network: Any = of_segmenter(model.build(), where, precision)
    else:
        network, identity = _foreign(model, where, given)
        size = _size(size, network)
    card = model.card if isinstance(model, Checkpoint) else None
    # Maps of before there was a choice are those of float32.
    beside = {} if precision == "32" else {"precision": precision}
    return Model(Predictor(network, size, tiled, given["batch"]), {**identity, "size": size, "tiled": tiled, **beside}, card)


def _size(size: int | None, network: ForeignNetwork) -> int:
    """Return the side of the squares that a foreign network is fed: what was given, or else the graph's own."""
    if size is not None and network.side is not None and size != network.side:
        raise InputError.of("size", f"must be that of {network.name}, {network.side}", size, "leave it out")
    size = network.side if size is None else size
    if size is None:
        rule = "must be given for a network that is no checkpoint of howfar's"
        raise InputError.of("size", rule, size, "pass the side of its input")
    return size


def _reading(given: ModelOptions) -> tuple[Reading | None, frozenset[str]]:
    """Return how the caller wants a network fed and read, None where nothing was said of it, and what was said."""
    chosen: dict[str, Any] = {name: given[name] for name in READING if given[name] is not None}
    if given["reading"] is None:
        return (Reading(**chosen) if chosen else None), frozenset(chosen)
    if chosen:
        raise InputError.of("reading", "must not be given beside them", ", ".join(chosen), "put these into the Reading")
    return given["reading"], frozenset(READING)


def _foreign(model: Any, where: Any, given: ModelOptions) -> tuple[ForeignNetwork, dict[str, Any]]:
    reading, explicit = _reading(given)
    if isinstance(model, (str, Path)):
        if given["precision"] != "32":
            rule = "is of no use to an .onnx file"
            raise InputError.of("precision", rule, given["precision"], "export it in that precision")
        network = of_onnx(model, reading, explicit)
        identity = {"weights": hash_onnx(Path(model))}
    elif isinstance(model, nn.Module):
        # Two networks without weights, say, differ in how they are built alone.
        built = hashlib.sha256(f"{type(model).__module__}.{type(model).__qualname__} {model!r}".encode()).hexdigest()
        network = of_module(model, where, reading or Reading(), given["precision"], explicit)
        identity = {"weights": hash_state_dict(model.state_dict()), "built": built}
    else:
        raise InputError.of("model", "must be a checkpoint, an .onnx file or a torch module", type(model).__name__)
    return network, identity | {name: plain(value) for name, value in asdict(network.reading).items()}


def loaded_model(model: ModelArgument, loading: ModelOptions) -> Model:
    """Load a model by these options, unless it is loaded already; then it takes none."""
    if isinstance(model, Model):
        if loading:
            raise InputError.of("model", "must not be loaded already", ", ".join(loading), "pass these to load_model")
        return model
    return load_model(model, **loading)


@with_options(PredictOptions)
def predict(
    model: ModelArgument,
    dataset: DatasetArgument,
    out: str | Path,
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
    loaded = loaded_model(model, loading).settled(images, given["progress"])
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
    notes = (*loaded.warnings, *_notes(images, loaded, [path for path, _ in wanted]))
    return Predicted(Path(out), written, kept, tuple(skipped), notes, loaded.reading)


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
    dark = unused_bits(images.name, PathTexts(ItemTable.of(images.items)))
    if model.card is None:
        return (dark,) if dark else ()
    adapted = [WARNING.format(model.card.data[ADAPTED]["dataset"])] if ADAPTED in model.card.data else []
    note = ""
    if not model.predictor.tiled:
        note = size_note(images.name, model.card.data, model.card.size, model.predictor.size, maps)
    return (*adapted, *filter(None, [note, dark]))


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
