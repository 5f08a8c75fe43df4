"""Load a model (a howfar checkpoint, an ONNX file or a torch module), and write its probability maps of a dataset as PNGs."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias, Unpack

import numpy as np
from numpy.typing import NDArray
from torch import nn

from howfar.backbones.torch_backbone import resolve_device
from howfar.data import Dataset, DatasetArgument, content_hash, decode, read_bytes
from howfar.data.bands_and_bit_depth import range_warning
from howfar.data.compact_item_table import Item, ItemTable
from howfar.data.dataset_argument import parse_images
from howfar.data.image_and_mask_folders import path_text
from howfar.data.image_decoding import size as size_of
from howfar.data.prediction_maps import map_paths, signature_of, write_map
from howfar.errors import ImageError, InputError, check_at_least
from howfar.image_reading_options import READING as PIXELS
from howfar.image_reading_options import PixelReading, file_and_reading
from howfar.option_checks_and_signatures import checked, picked, with_options
from howfar.options_by_function import ModelOptions, PredictOptions
from howfar.pipeline.normalisation_and_output_choice import choose_reading
from howfar.progress import bar, stage
from howfar.results import Skipped
from howfar.results.display_and_shared_records import NetworkReading, plain
from howfar.runners import available_cores
from howfar.segmenters import segmenter_family
from howfar.segmenters.checkpoint import Checkpoint, CheckpointCard
from howfar.segmenters.norm_adaptation import ADAPTED, WARNING, adapt_statistics
from howfar.segmenters.predictor import (
    READING,
    ForeignNetwork,
    Predictor,
    Reading,
    check_squares,
    of_module,
    of_onnx,
    of_segmenter,
)
from howfar.weights.onnx_network import hash_onnx
from howfar.weights.state_dicts import hash_state_dict

LARGER = 2.0
"""Images this many times as large as the largest that were learnt from are warned of."""


def size_note(dataset: str, data: Mapping[str, Any], trained: int, size: int, maps: Iterable[Path]) -> str:
    """Return a note if a dataset's images are much larger than a checkpoint's training images; "" if not, or if unknown.

    A whole image is resized to the network's square. Where its side, √(width · height), is more than twice the largest image
    learnt from, structures reach the network at less than half the width that it knows, and thin ones vanish. `trained` and
    `size` are the sides of the squares of training and prediction; `maps` have the sizes of their images.
    """
    known = data.get("sides")
    if not known:
        return ""
    squares = []
    for path in maps:
        with suppress(ImageError):
            squares.append(math.prod(size_of(path)))
    sides = np.sqrt(squares)
    # A larger square shows more of an image's detail.
    most = LARGER * float(known["largest"]) * size / trained
    count = int(np.count_nonzero(sides > most))
    if not count:
        return ""
    which = "all images" if count == len(sides) else f"{count} of {len(sides)} images"
    return (
        f"{which} of {dataset} are much larger (side up to {sides.max():.0f} px) than what the model learnt from "
        f"(at most {float(known['largest']):.0f} px): thin structures may vanish by resizing, predict by tiles (--tile)"
    )


ONNX = ".onnx"
ModelArgument: TypeAlias = "Model | Checkpoint | nn.Module | str | Path"
"""A model that predicts maps: a checkpoint or its file, an ``.onnx`` file, a torch module, or what `load_model` made."""


@dataclass(frozen=True)
class Predicted:
    """Report how many maps were written, how many were there already and kept, and which images were skipped.

    `notes` warn of an adapted model, of images much larger than those learnt from, and of a doubtful reading of a foreign
    network; `reading` says how a foreign network was fed and read, None for a checkpoint.
    """

    folder: Path
    written: int
    kept: int
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...] = ()
    reading: NetworkReading | None = None


@dataclass(frozen=True)
class Model:
    """Hold a predictor, its identity as JSON values, and the card if it is a howfar checkpoint.

    `reading` records how a foreign network is fed and read, once images have settled that; `warnings` what speaks against it.
    """

    predictor: Predictor
    identity: dict[str, Any]
    card: CheckpointCard | None = None
    reading: NetworkReading | None = None
    warnings: tuple[str, ...] = ()

    def settled(self, images: Dataset, progress: bool = False) -> Model:
        """Choose how a foreign network is fed and read from some of these images; return other models unchanged."""
        network = self.predictor.network
        if not isinstance(network, ForeignNetwork) or self.reading is not None:
            return self
        with stage(f"comparing how {network.name} may be fed and read", progress):
            chosen = choose_reading(self.predictor, network, images)
        if chosen is None:
            return self
        predictor, reading, warnings = chosen
        return Model(predictor, {**self.identity, "output": reading.output}, reading=reading, warnings=warnings)


@with_options(ModelOptions)
def load_model(model: Checkpoint | nn.Module | str | Path, **options: Unpack[ModelOptions]) -> Model:
    """Load a predictor from a checkpoint, an ONNX file or a torch module.

    Raises `HowfarError` where it cannot be loaded, or an option is of no use to it.

    Parameters
    ----------
    model
        A `Checkpoint`, the path of one or of an ``.onnx`` file, or a torch module in memory.
    """
    given = checked(ModelOptions, options)
    size, tiled, precision = given["size"], given["tiled"], given["precision"]
    if isinstance(model, (str, Path)) and Path(model).suffix.lower() != ONNX:
        model = Checkpoint.load(model)
    where = resolve_device(given["device"])
    if isinstance(model, Checkpoint):
        for name, value in given.items():
            if name in (*READING, "reading") and value is not None:
                rule = f"is of use only to a foreign network, and {model.card.segmenter} was trained by howfar"
                raise InputError.of(name, rule, value, "leave it out")
        size = model.card.size if size is None else size
        _check_side(size, model)
        identity: dict[str, Any] = {"weights": model.card.weights}
        network: Any = of_segmenter(model.build(), where, precision)
    else:
        network, identity = _foreign(model, where, given)
        if size is not None and network.side is not None and size != network.side:
            raise InputError.of("size", f"must be that of {network.name}, {network.side}", size, "leave it out")
        size = network.side if size is None else size
        if size is None:
            rule = "must be given for a network that is no checkpoint of howfar's"
            raise InputError.of("size", rule, size, "pass the side of its input (certify takes the maps of howfar predict)")
    card = model.card if isinstance(model, Checkpoint) else None
    # Maps of before there was a choice are those of float32.
    beside = {} if precision == "32" else {"precision": precision}
    return Model(Predictor(network, size, tiled, given["batch"]), {**identity, "size": size, "tiled": tiled, **beside}, card)


def _foreign(model: Any, where: Any, given: ModelOptions) -> tuple[ForeignNetwork, dict[str, Any]]:
    chosen: dict[str, Any] = {name: given[name] for name in READING if given[name] is not None}
    if given["reading"] is None:
        reading, explicit = Reading(**chosen) if chosen else None, frozenset(chosen)
    elif chosen:
        raise InputError.of("reading", "must not be given beside them", ", ".join(chosen), "put these into the Reading")
    else:
        reading, explicit = given["reading"], frozenset(READING)
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
    """Load a model with these options; a loaded model is returned unchanged and takes no options."""
    if isinstance(model, Model):
        if loading:
            raise InputError.of("model", "must not be loaded already", ", ".join(loading), "pass these to load_model")
        return model
    return load_model(model, **loading)


@with_options(PredictOptions)
def predict(model: ModelArgument, dataset: DatasetArgument, out: str | Path, **options: Unpack[PredictOptions]) -> Predicted:
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
    images = parse_images(dataset)
    given, loading = checked(PredictOptions, options), picked(ModelOptions, options)
    if given["adapt"] == "norm":
        model = _adapted(model, images, given)
    elif idle := {name: value for name, value in options.items() if name in ("share", "seed")}:
        name, value = next(iter(idle.items()))
        raise InputError.of(name, "is of use only to an adapted model", value, "pass adapt too, or leave it out")
    loaded = loaded_model(model, loading).settled(images, given["progress"])
    if loaded.card is not None and images.items:
        # It learnt from pixels that were read in one way.
        learnt, now = PixelReading.of(loaded.card.data.get(PIXELS, {})), file_and_reading(images.items[0].path)[1]
        for name, known, got in (("bands", learnt.bands, now.bands), ("range", learnt.range, now.range)):
            if known != got:
                value = ",".join(map(str, known)) if name == "bands" else known
                remedy = f"pass {value}" if value else "leave it out"
                raise InputError.of(name, "must be as in the checkpoint's training", got, remedy)
    check_squares(min(loaded.predictor.batch, len(images)), loaded.predictor.size)
    # A few batches at a time, to parallelise reading and to lose little if the process is killed.
    step = 4 * loaded.predictor.batch
    written = kept = 0
    skipped: list[Skipped] = list(images.skipped)
    wanted = list(map_paths(out, images).items())
    desc = f"predicting {images.name}{', mirrored' if given['flipped'] else ''}"
    with bar(progress=given["progress"], total=len(wanted), desc=desc, unit="image") as shown:
        for start in range(0, len(wanted), step):
            group = wanted[start : start + step]
            fresh, unreadable = _write_group(group, images.name, loaded, given["flipped"])
            written += fresh
            kept += len(group) - fresh - len(unreadable)
            skipped += unreadable
            shown.update(len(group))
    if not written and not kept:
        reason = skipped[0].reason if skipped else "none"
        raise InputError.of(f"dataset {images.name}", "must hold an image that can be read", reason)
    notes = (*loaded.warnings, *_notes(images, loaded, [path for path, _ in wanted]))
    return Predicted(Path(out), written, kept, tuple(skipped), notes, loaded.reading)


def _adapted(model: ModelArgument, images: Dataset, given: PredictOptions) -> Checkpoint:
    """Adapt a checkpoint's batch norm statistics to the images to be predicted."""
    if isinstance(model, (str, Path)) and Path(model).suffix.lower() != ONNX:
        model = Checkpoint.load(model)
    if not isinstance(model, Checkpoint):
        raise InputError.of("adapt", "must be none for what is no checkpoint of howfar train", given["adapt"], "leave it out")
    if given["size"] is not None:
        check_at_least(1, size=given["size"])
        _check_side(given["size"], model)
    return adapt_statistics(model, images, share=given["share"], size=given["size"], tiled=given["tiled"], seed=given["seed"])


def _notes(images: Dataset, model: Model, maps: Sequence[Path]) -> tuple[str, ...]:
    dark = range_warning(images.name, ItemTable.of(images.items).paths())
    if model.card is None:
        return (dark,) if dark else ()
    adapted = [WARNING.format(model.card.data[ADAPTED]["dataset"])] if ADAPTED in model.card.data else []
    note = ""
    if not model.predictor.tiled:
        note = size_note(images.name, model.card.data, model.card.size, model.predictor.size, maps)
    return (*adapted, *filter(None, [note, dark]))


def _write_group(group: Sequence[tuple[Path, Item]], dataset: str, model: Model, flipped: bool) -> tuple[int, list[Skipped]]:
    """Write the missing maps of a few images; return their number and the unreadable images."""

    def read(pair: tuple[Path, Item]) -> tuple[Path, NDArray[np.uint8], str] | Skipped | None:
        path, item = pair
        try:
            data = read_bytes(item.path)
            key = {**model.identity, "flipped": flipped, "image": content_hash(data)}
            signature = json.dumps(key, sort_keys=True)
            if is_current(path, signature, "must hold no maps that howfar predict did not write"):
                return None
            picture = np.asarray(decode(data).image)
        except ImageError as error:
            return Skipped(dataset, path_text(item.path), str(error))
        return path, np.ascontiguousarray(picture[:, ::-1]) if flipped else picture, signature

    with ThreadPoolExecutor(available_cores()) as pool:
        outcomes = list(pool.map(read, group))
    fresh = [outcome for outcome in outcomes if isinstance(outcome, tuple)]
    maps = model.predictor.maps([picture for _, picture, _ in fresh])
    for (path, _, signature), values in zip(fresh, maps, strict=True):
        write_map(path, values, signature)
    return len(fresh), [outcome for outcome in outcomes if isinstance(outcome, Skipped)]


def is_current(path: Path, signature: str, rule: str) -> bool:
    """Return whether a map file exists with this signature; `InputError` with the rule if another program wrote the file."""
    existing = signature_of(path)
    if existing == "":
        raise InputError.of("out", rule, str(path), "choose another folder")
    return existing == signature


def _check_side(size: int, model: Checkpoint) -> None:
    recipe = segmenter_family(model.card.segmenter)
    if size % recipe.multiple:
        raise InputError.of("size", f"must be a multiple of {recipe.multiple} for {recipe.name}", size)
