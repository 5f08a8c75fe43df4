"""Match probability maps to images, score maps against masks, and compute signals such as confidence, without labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial as bound
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from howfar import metrics
from howfar.data import Dataset, Item, content_hash, decode, read_bytes
from howfar.data.binary_masks import Mask, resize_mask
from howfar.data.image_and_mask_folders import counted, path_text
from howfar.data.name_matching import examples
from howfar.data.prediction_maps import (
    MatchedMaps,
    folder_of_maps,
    made_with,
    map_endings,
    match_maps,
    network_of,
    read_prediction,
    signature_of,
)
from howfar.errors import ImageError, InputError
from howfar.metrics.label_free_signals import foreground_dice
from howfar.option_checks_and_signatures import command_words
from howfar.options import Members
from howfar.options_by_function import FedOptions
from howfar.relation.labelled_images import (
    CONFIDENCES,
    ENSEMBLE_AGREEMENT,
    FLIP_AGREEMENT,
    FLIP_OVERLAP,
    HISTOGRAM,
    SHAPES,
    SOFT_F,
    TILE_AGREEMENT,
    VALUES,
)
from howfar.tasks.task import read_all, read_named


def have(count: int, what: str) -> str:
    """Begin a sentence on images: "1 image has no mask", "2 images have no mask"."""
    return f"{counted(count, 'image has', 'images have')} {what}"


def mask_notes(masked: int, images: int) -> Iterator[str]:
    """Yield a note on images without a mask, if any."""
    if not masked:
        yield "no image has a mask: there are only signals that need no labels, and no scores"
    elif masked < images:
        yield f"{have(images - masked, 'no mask')}: kept for the signals that need no labels, without performance"


def extra_notes(maps: MatchedMaps) -> Iterator[str]:
    """Yield a note on maps that match no image, if any."""
    if maps.extra:
        match = counted(len(maps.extra), "map matches", "maps match")
        yield f"{match} no image ({examples(maps.extra)} below {maps.folder})"
    yield from doubled_notes(maps)


DOUBLED: Final = "more than one map"


def doubled_notes(maps: MatchedMaps) -> Iterator[str]:
    """Yield a note on images with several maps, and on each map of several images."""
    if maps.doubled:
        what = have(len(maps.doubled), DOUBLED)
        yield f"{what} below {maps.folder} ({examples(maps.doubled)}): the PNG is taken, else the first by name"
    images: dict[Path, list[str]] = defaultdict(list)
    for name, file in maps.files.items():
        images[file].append(name)
    for shared in (names for names in images.values() if len(names) > 1):
        same = "their names differ only in the ending"
        yield f"{len(shared)} images have one map below {maps.folder} ({examples(shared)}): {same}"


@dataclass(frozen=True, eq=False)
class ScoredMap:
    """Hold the counts of one image's map; without a mask, the counts have no true pixels."""

    item: Item
    content: str
    prediction: str
    counts: metrics.Counts
    histogram: NDArray[np.int64]
    grey: bool
    lossy: bool
    faint: bool


def find_sources(
    dataset: Dataset, predictions: str | Path, flipped: str | Path | None, ensemble: Sequence[str | Path]
) -> tuple[MatchedMaps, ...]:
    """Match every folder's maps to the images, the model's own first, before reading any; `InputError` for one given twice."""
    sources = [match_maps(dataset, predictions)]
    others = [("flipped", flipped)] if flipped is not None else []
    for argument, folder in [*others, *(("ensemble", member) for member in ensemble)]:
        maps = match_maps(dataset, folder, f"{argument} prediction")
        if any(maps.folder.resolve() == earlier.folder.resolve() for earlier in sources):
            raise InputError.of(argument, "must be a folder that is not given already", str(maps.folder))
        sources.append(maps)
    return tuple(sources)


def missing_maps(dataset: Dataset, sources: Sequence[MatchedMaps]) -> dict[str, str]:
    """Return, by image, the first map that an image lacks in one of the folders."""
    lacking = {name: f"no {maps.what} ({reason})" for maps in reversed(sources) for name, reason in maps.missing.items()}
    return {item.name: lacking[item.name] for item in dataset.items if item.name in lacking}


def resized(values: NDArray[Any], truth: NDArray[np.bool_], side: int | None) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Resize a map bilinearly, and a mask so that it keeps its lines, to a square; None leaves them as they are."""
    if side is None:
        return values, truth
    picture = Image.fromarray(values if values.dtype == np.uint8 else values.astype(np.float32))
    return np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR)), resize_mask(truth, side, side)


def score_map(item: Item, sources: Sequence[MatchedMaps], tolerance: float, side: int | None = None) -> ScoredMap:
    """Score one image's map against its mask, both `resized`, within a tolerance in pixels; raise `ImageError` for bad maps."""
    picture = read_named("the image", item.path, read_bytes)
    file = sources[0].files[item.name]
    prediction = read_named("the prediction", file, read_prediction)
    values = prediction.values
    mask = None if item.mask is None else read_named("the mask", item.mask, Mask.read)
    if mask is None or mask.foreground.shape != values.shape:
        image = read_named("the image", item.path, lambda _: decode(picture)).image
        pixels = image.height, image.width
        if mask is None or item.mask is None:
            _check_size("prediction", values.shape, file, pixels, "its image")
        elif pixels == values.shape:
            line = f"the mask {path_text(item.mask)} is {_size(mask.foreground.shape)}"
            line = f"{line} and its image and prediction {_size(values.shape)}"
            raise ImageError(f"{line}: save the mask at the image's size")
        else:
            _check_size("prediction", values.shape, file, mask.foreground.shape, "its mask")
    for maps in sources[1:]:
        other = read_named(f"the {maps.what}", maps.files[item.name], read_prediction).values
        _check_size(maps.what, other.shape, maps.files[item.name], values.shape, "the prediction")
    truth = np.zeros(values.shape, np.bool_) if mask is None else mask.foreground
    return ScoredMap(
        item=item,
        content=content_hash(picture),
        prediction=path_text(file),
        counts=metrics.count(*resized(values, truth, side), 0.0 if mask is None else tolerance),
        histogram=metrics.histogram(values),
        grey=mask is not None and mask.grey,
        lossy=prediction.lossy,
        # A map that howfar wrote is p × 255, however small.
        faint=prediction.faint and not signature_of(file),
    )


def _check_size(what: str, shape: tuple[int, ...], file: Path, wanted: tuple[int, ...], other: str) -> None:
    if shape != wanted:
        line = f"the {what} {path_text(file)} is {_size(shape)} and {other} {_size(wanted)}"
        raise ImageError(f"{line}: save it at that size (resize the probabilities, not a thresholded map)")


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}×{shape[0]} pixels"


def scored_maps(
    dataset: Dataset, sources: Sequence[MatchedMaps], tolerance: float, partial: bool, progress: bool, side: int | None = None
) -> tuple[list[ScoredMap], Dataset]:
    """Score every image with maps; return the scores and the dataset of scored images. Raises `InputError` as `read_all`."""
    score = bound(score_map, sources=sources, tolerance=tolerance, side=side)
    scored, kept = read_all(dataset, missing_maps(dataset, sources), score, partial, progress)
    # All values are 0 or 1 in 8 bits, so that 1 probably means p = 1, not 1/255.
    if any(image.faint for image in scored) and all(image.histogram[2:].sum() == 0 for image in scored):
        file = next(image.prediction for image in scored if image.faint)
        raise InputError(
            f"no map below {sources[0].folder} holds a value above 1 of 255 (255 of 65535), as {file}: "
            "p is value / 255 (value / 65535), so scale them up, or save p itself as float .npy arrays"
        )
    return scored, kept


OWN: Final = "predictions"
SIGNALS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    OWN: (*CONFIDENCES, SOFT_F, HISTOGRAM, *SHAPES),
    "flipped": (FLIP_AGREEMENT, FLIP_OVERLAP),
    "ensemble": (ENSEMBLE_AGREEMENT,),
    "tiles": (TILE_AGREEMENT,),
}
"""The signals of each kind of maps by the argument that names their folder: the model's own, of mirrored images …"""


@dataclass(frozen=True)
class MapFolders:
    """Hold the folders of probability maps by the argument of `SIGNALS_OF` that gave them."""

    folders: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, predictions: str | Path | None, flipped: str | Path | None, ensemble: Members, tiles: str | Path | None = None
    ) -> MapFolders:
        """Check that the folders exist, the model's own among them, and make the object with absolute paths."""
        members = (ensemble,) if isinstance(ensemble, (str, Path)) else tuple(ensemble)
        folders: dict[str, tuple[Path, ...]] = {}
        for name, given in {OWN: (predictions,), "flipped": (flipped,), "ensemble": members, "tiles": (tiles,)}.items():
            for place in (place for place in given if place is not None):
                folders[name] = (*folders.get(name, ()), folder_of_maps(name, place))
        if folders and OWN not in folders:
            rule = "must be given where flipped, ensemble or tiles is: they are compared with the model's own maps"
            raise InputError.of(OWN, rule)
        return cls(folders)

    @property
    def predictions(self) -> Path | None:
        """Return the folder of the model's own maps, None if no maps are given."""
        return next(iter(self.folders.get(OWN, ())), None)

    @property
    def columns(self) -> tuple[str, ...]:
        """List the signal columns available from these folders."""
        return tuple(column for name in self.folders for column in SIGNALS_OF[name])

    def matched(self, dataset: Dataset) -> dict[Path | str, ImageMaps]:
        """Find the maps of a dataset's images, keyed by image file; raise for mirrored images' maps in the wrong place."""
        files = {
            name: [(match_maps(dataset, folder).files, folder) for folder in folders] for name, folders in self.folders.items()
        }
        for name, places in files.items():
            for of, folder in places:
                mirrored = made_with(next(iter(of.values()))).get("flipped")
                if mirrored is not None and mirrored is not (name == "flipped"):
                    rule = f"must hold maps of {'mirrored' if name == 'flipped' else 'the'} images"
                    remedy = f"predict {dataset.name} {'with' if name == 'flipped' else 'without'} --flipped"
                    raise InputError.of(name, rule, str(folder), remedy)
        return {
            item.path: ImageMaps({name: tuple((of.get(item.name), at) for of, at in places) for name, places in files.items()})
            for item in dataset.items
        }

    def check_network(self, known: Mapping[str, Any], maps: Mapping[Path | str, ImageMaps], primary: str) -> None:
        """Raise `InputError` for maps of another network than `known`, or fed or read otherwise, as far as they record it."""
        file = next((places.places[OWN][0][0] for places in maps.values() if places.places[OWN][0][0]), None)
        given = {} if file is None else network_of(file)
        other = [name for name in known if name in given and given[name] != known[name]]
        if other:
            rule = f"must be maps of the network that {primary}'s profile learnt from, fed and read as there"
            got = "maps of another network" if "weights" in other else f"another {' and '.join(other)}"
            how = "the profile's checkpoint, not adapted" if "weights" in other else " ".join(command_words(FedOptions, known))
            raise InputError.of(OWN, rule, got, f"predict them with {how}")

    def beside(self, image: Path | str) -> ImageMaps:
        """Find the maps of one image: the files with the image's name, regardless of ending."""
        files = [f"{Path(image).stem}{ending}" for ending in (".png", *sorted(map_endings() - {".png"}))]
        places = {}
        for name, folders in self.folders.items():
            maps = (next((folder / file for file in files if (folder / file).is_file()), None) for folder in folders)
            places[name] = tuple(zip(maps, folders, strict=True))
        return ImageMaps(places)


@dataclass(frozen=True)
class ImageMaps:
    """Hold the map files of one image, None for a missing one, and their folders, as `MapFolders` does."""

    places: Mapping[str, tuple[tuple[Path | None, Path], ...]]

    def read(self, threshold: float) -> tuple[dict[str, Any], str]:
        """Compute the maps' signals by estimator column names; also return the reason for missing signals or ""."""
        columns: dict[str, Any] = {}
        why: list[str] = []
        main: Any = None
        for name, places in self.places.items():
            try:
                maps = []
                for file, folder in places:
                    if file is None:
                        raise ImageError(f"no map of it below {path_text(folder)}")
                    maps.append(read_named("its map", file, read_prediction).values)
                if name == OWN:
                    main = maps[0]
                    counts = metrics.histogram(main)
                    of_counts = {**metrics.signals(counts, threshold), SOFT_F: metrics.soft_f(counts, threshold)}
                    columns |= {**of_counts, HISTOGRAM: counts.astype(np.float64), **metrics.foreground_shape(main, threshold)}
                elif name == "flipped":
                    overlap = metrics.flip_overlap(main, maps[0], threshold)
                    columns |= {FLIP_AGREEMENT: metrics.flip_agreement(main, maps[0]), FLIP_OVERLAP: overlap}
                elif name == "ensemble":
                    columns |= {ENSEMBLE_AGREEMENT: metrics.ensemble_agreement([main, *maps])}
                else:
                    columns |= {TILE_AGREEMENT: foreground_dice(main, maps[0], threshold)}
            except (ImageError, InputError) as error:
                why.append(str(error))
                if name == OWN:
                    break
        return columns, "; ".join(why)


def stacked(images: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """Stack several images' signals into columns, with nan for missing signals."""
    blank: dict[str, Any] = {name: np.full(VALUES, np.nan) if name == HISTOGRAM else np.nan for name in names}
    return {name: np.array([signals.get(name, blank[name]) for signals in images]) for name in names}
