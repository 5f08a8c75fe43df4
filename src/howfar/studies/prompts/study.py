"""Run the study of prompts: segment each image by each prompting method, save the maps, and score them."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Unpack

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from howfar.data import Dataset, DatasetsArgument, Item, content_hash, decode, read_bytes, read_mask
from howfar.data.folder_walk import printable
from howfar.data.probability_map_files import map_paths, signature_of, write_map
from howfar.errors import ImageError, InputError
from howfar.keywords import PromptOptions, PromptSettings
from howfar.progress import bar
from howfar.results import Provenance, Skipped
from howfar.results.prompting import RANDOM_WEIGHTS, Prompting
from howfar.results.run_files import page_folder
from howfar.settings import checked, picked, with_options
from howfar.studies.evaluation.evaluate import evaluate
from howfar.studies.prompts.prompters import (
    STREAM,
    Example,
    ImageWithMask,
    PromptedKinds,
    Prompter,
    prompters_of,
    reference_of,
    refuse_unused,
    settings_of,
)
from howfar.studies.prompts.sam import EncodedImage, Sam
from howfar.studies.run_folder import write_run
from howfar.studies.study_inputs import check_names, parse_all, parse_images

CUT: Final = 0.5
SAMS: Final = frozenset({"points", "box", "persam"})
"""The kinds of prompts that are given to SAM; texts are given to CLIPSeg."""
FORMAT: Final = 1
"""Version of the way in which maps are made; another number makes all maps again."""
FOLDERS: Final = "maps"


@with_options(PromptOptions)
def prompts(
    datasets: DatasetsArgument,
    kinds: Sequence[str] | str = ("points", "box", "text"),
    *,
    out: str | Path,
    reference: tuple[str | Path, str | Path] | None = None,
    **options: Unpack[PromptOptions],
) -> Prompting:
    """Segment images by promptable networks that were not trained on such images, and score them (the paper's figs. 11, 12).

    Prompts of points and boxes are made from each image's own mask, so they show what an annotator's clicks could achieve, not
    what a network would find alone. Images whose mask is empty or missing are left out.

    Parameters
    ----------
    datasets
        One dataset with masks, a list of them, or a mapping from names to them; each a `Dataset` or a dataset argument.
    kinds
        Any of "points" (SAM), "box" (SAM), "text" (CLIPSeg) and "persam" (PerSAM-F: SAM with a `reference`).
    out
        Folder of the study: maps, tables, figures, report. A study that was stopped resumes there.
    reference
        An image and its mask, for "persam". It is not scored.

    Returns
    -------
    Prompting
        Prints as its table; has ``.scores``, ``.images``, ``.plot``.

    Raises
    ------
    HowfarError
        A dataset is missing or has no mask with foreground, a kind is unknown or a setting wrong, or weights are neither on
        disk nor can they be downloaded.

    Examples
    --------
    >>> import tempfile
    >>> from howfar.demo import write_dataset
    >>> folder = Path(tempfile.mkdtemp())
    >>> roads = write_dataset(folder / "roads", 2, seed=0, size=48)
    >>> prompts(roads, "text", out=folder / "out", texts=["a crack"], pretrained=False, progress=False).prompts
    ('text: a crack',)
    """
    root = Path(out).expanduser().absolute()
    page_folder("out", root, Prompting.COMMAND)
    result = prompted(datasets, kinds, root, reference, options)
    write_run(result, root)
    return result


def prompted(
    datasets: DatasetsArgument,
    kinds: Sequence[str] | str,
    root: Path,
    reference: tuple[str | Path, str | Path] | None,
    options: PromptOptions,
) -> Prompting:
    """Segment and score as `prompts` does, but write nothing except the maps, below the absolute path `root`."""
    given = checked(PromptOptions, options)
    sam, clipseg, pretrained = given["sam"], given["clipseg"], given["pretrained"]
    settings = prompt_settings(kinds, given)
    example = reference_of(settings, reference)
    sets, skipped = zip(*(_usable(dataset, settings, example) for dataset in _images(datasets)), strict=True)
    segment = Sam(sam, pretrained=pretrained, device=given["device"]) if SAMS & set(settings["kinds"]) else None
    prompters = prompters_of(settings, segment, example, clipseg, pretrained, given["device"])
    images = []
    for dataset in sets:
        images += _predicted(dataset, prompters, segment, root, given["progress"])
    scores, rows = _scored(sets, prompters, pd.DataFrame(images), root)
    return Prompting(
        datasets=tuple(dataset.name for dataset in sets),
        prompts=tuple(prompter.label for prompter in prompters),
        settings={**settings, "reference": None if example is None else example.name},
        scores=scores,
        images=rows,
        provenance=Provenance.now(),
        skipped=tuple(itertools.chain(*skipped)),
        notes=tuple(_notes(settings, sets, pretrained)),
    )


def prompt_settings(kinds: Sequence[str] | str, given: PromptOptions) -> PromptedKinds:
    """Check kinds and options together, and return the settings; `InputError` for an unknown kind, or an option of no use."""
    texts = (given["texts"],) if isinstance(given["texts"], str) else given["texts"]
    own = {"kinds": (kinds,) if isinstance(kinds, str) else tuple(kinds), "texts": None if texts is None else tuple(texts)}
    settings = settings_of({**picked(PromptSettings, given), **own})
    refuse_unused(settings["kinds"], texts=settings["texts"], sam=given["sam"], clipseg=given["clipseg"])
    return settings


def _images(datasets: DatasetsArgument) -> list[Dataset]:
    parsed = parse_all(datasets, "dataset")
    if not parsed:
        raise InputError.of("datasets", "must name at least one", datasets)
    check_names(parsed)
    return [parse_images(dataset) for dataset in parsed]


def _usable(dataset: Dataset, settings: PromptedKinds, example: Example | None) -> tuple[Dataset, tuple[Skipped, ...]]:
    """Draw up to the limit of images whose mask has foreground, without the reference, and list the skipped images."""
    rng = np.random.default_rng([settings["seed"], zlib.crc32(dataset.name.encode()), STREAM])
    limit = len(dataset.items) if settings["limit"] is None else settings["limit"]
    usable: dict[int, Item] = {}
    skipped: list[Skipped] = list(dataset.skipped)
    for index in rng.permutation(len(dataset.items)).tolist():
        item = dataset.items[index]
        if len(usable) == limit or item.mask is None:
            continue
        try:
            if _fits(item, read_mask(item.mask), example):
                usable[index] = item
        except ImageError as error:
            skipped.append(Skipped(dataset.name, printable(item.path), str(error)))
    if not usable:
        remedy = "put them in masks/ beside images/"
        raise InputError.of(f"dataset {dataset.name}", "must have masks with foreground", "none", remedy)
    return replace(dataset, items=tuple(usable[index] for index in sorted(usable)), skipped=()), tuple(skipped)


def _fits(item: Item, mask: NDArray[np.bool_], example: Example | None) -> bool:
    """Tell whether an image can be prompted and scored; `ImageError` if it is unreadable or differs in size from its mask."""
    data = read_bytes(item.path)
    width, height = decode(data).image.size
    if mask.shape != (height, width):
        raise ImageError(f"is {height}×{width}, and its mask {mask.shape[0]}×{mask.shape[1]}")
    return bool(mask.any()) and (example is None or content_hash(data) != example.image)


def _predicted(
    dataset: Dataset, prompters: Sequence[Prompter], sam: Sam | None, root: Path, progress: bool
) -> list[dict[str, Any]]:
    """Write the map of each image and prompter, unless an equal one is there, and make its row of the images' table."""
    folders = [map_paths(_folder(root, prompter, dataset), dataset) for prompter in prompters]
    files = [{item.name: path for path, item in folder.items()} for folder in folders]
    rows = []
    with bar(progress=progress, total=len(dataset.items), desc=f"prompting {dataset.name}", unit="image") as shown:
        for item in dataset.items:
            data = read_bytes(item.path)
            image = _image_with_mask(item, data, sam)
            for prompter, paths in zip(prompters, files, strict=True):
                prompt = _mapped(prompter, image, paths[item.name], content_hash(data))
                row = {"prompt": prompter.label, "dataset": dataset.name, "image": item.name}
                map_path = paths[item.name].relative_to(root).as_posix()
                row |= {"path": str(item.path), "mask": str(item.mask), "map": map_path}
                rows.append({**row, "told": json.dumps(prompt, sort_keys=True)})
            shown.update()
    return rows


def _image_with_mask(item: Item, data: bytes, sam: Sam | None) -> ImageWithMask:
    picture = decode(data).image.convert("RGB")
    mask = read_mask(item.mask) if item.mask is not None else np.zeros((picture.height, picture.width), dtype=bool)

    @functools.cache
    def encoded() -> EncodedImage:
        assert sam is not None  # for the type checker: only SAM's prompters ask
        return sam.encode(picture)

    return ImageWithMask(item, picture, mask, encoded)


def _signed(written: str | None) -> dict[str, Any]:
    """Read a map's signature, nothing where there is no map; `ValueError` where howfar did not write it."""
    earlier = {} if written is None else json.loads(written)
    if not isinstance(earlier, dict) or not isinstance(earlier.get("prompt", {}), dict):
        raise ValueError("no signature")
    return earlier


def _mapped(prompter: Prompter, image: ImageWithMask, path: Path, content: str) -> dict[str, Any]:
    """Write the map unless its file is there, and return its prompt, which the file's signature holds too."""
    mask = image.item.mask if prompter.by_mask else None
    own_mask = {} if mask is None else {"mask": content_hash(read_bytes(mask))}
    signature = {"format": FORMAT, **prompter.identity, "image": content, **own_mask}
    try:
        earlier = _signed(signature_of(path))
    except (ValueError, RecursionError) as error:
        rule = "must hold no maps that howfar did not write"
        raise InputError.of("out", rule, str(path), "choose another folder") from error
    if {key: value for key, value in earlier.items() if key != "prompt"} == signature:
        return dict(earlier.get("prompt", {}))
    values, prompt = prompter.make(image)
    document = prompt.to_dict()
    write_map(path, np.round(255 * values).astype(np.uint8), json.dumps({**signature, "prompt": document}, sort_keys=True))
    # Converted by JSON, so that it equals the prompt read from a file.
    return dict(json.loads(json.dumps(document)))


def _folder(root: Path, prompter: Prompter, dataset: Dataset) -> Path:
    return root / FOLDERS / folder_of(prompter.label) / dataset.name


def folder_of(label: str) -> str:
    """Make a folder name that is unique to a prompter's label.

    Examples
    --------
    >>> folder_of("points"), folder_of("text: a crack"), folder_of("text: A crack")
    ('points', 'text-a-crack-9c9d5c1b', 'text-a-crack-e61504bd')
    """
    plain = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")[:40]
    return plain if plain == label else f"{plain}-{hashlib.sha256(label.encode()).hexdigest()[:8]}"


def _scored(
    sets: Sequence[Dataset], prompters: Sequence[Prompter], images: pd.DataFrame, root: Path
) -> tuple[pd.DataFrame, pd.DataFrame]:
    scores, parts = [], []
    for prompter in prompters:
        for dataset in sets:
            evaluation = evaluate(dataset, _folder(root, prompter, dataset), threshold=CUT, progress=False)
            row: dict[str, Any] = {"prompt": prompter.label, "dataset": dataset.name, "n": evaluation.scored}
            values = {name: evaluation.scores[name] for name in ("ods", "ods_threshold", "ois", "ap", "f", "mean_f")}
            scores.append(row | {name: np.nan if value is None else value for name, value in values.items()})
            f = evaluation.images.set_index("image")["performance"].rename("f")
            own = images[(images["prompt"] == prompter.label) & (images["dataset"] == dataset.name)]
            parts.append(own.join(f, on="image"))
    return pd.DataFrame(scores), pd.concat(parts, ignore_index=True)


def _notes(settings: PromptedKinds, sets: Sequence[Dataset], pretrained: bool) -> list[str]:
    notes = []
    if not pretrained:
        notes.append(RANDOM_WEIGHTS)
    if {"points", "box"} & set(settings["kinds"]):
        notes.append("points and boxes are taken from the masks that the maps are scored by: a network alone has none")
    small = [dataset for dataset in sets if len(dataset.items) < 10]
    return notes + [f"{dataset.name} has {len(dataset.items)} images: its scores say little" for dataset in small]
