"""Score promptable networks (SAM, CLIPSeg, PerSAM-F) with each kind of prompt: `howfar prompts`, paper's figs. 11 and 12."""

import functools
import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, TypeAlias, Unpack, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from howfar import options
from howfar.data import Dataset, DatasetsArgument, Item, content_hash, decode, read_bytes, read_mask
from howfar.data.dataset_argument import parse_images
from howfar.data.image_and_mask_folders import path_text
from howfar.data.prediction_maps import map_paths, signature_of, write_map
from howfar.errors import ImageError, InputError, MissingPathError, option
from howfar.option_checks_and_signatures import checked, picked, with_options
from howfar.options import REQUIRED, Option
from howfar.options_by_function import PromptOptions, PromptSettings
from howfar.paper import promptable_networks as networks
from howfar.paper.promptable_networks import ClipSeg, EncodedImage, Personal, Prompt, Sam
from howfar.paper.study_common import NetworkName
from howfar.progress import bar
from howfar.random_streams import stream
from howfar.results import Provenance, Skipped
from howfar.results.checksums_and_overwrite_guard import page_folder
from howfar.results.display_and_shared_records import matching
from howfar.results.segmenter_studies import RANDOM_WEIGHTS, Prompting
from howfar.studies.evaluate_predictions import evaluate
from howfar.studies.run_report import write_run
from howfar.studies.study_file.kind import DatasetName, DatasetNames, KindSettings, Network, StudyKind, Work, setting
from howfar.studies.study_file.read_study_file import Inputs
from howfar.studies.study_inputs import check_names, parse_all

KINDS: Final = ("points", "box", "box_point", "text", "persam")
SAMS: Final = frozenset(KINDS) - {"text"}
"""The kinds of prompts that are given to SAM; texts are given to CLIPSeg."""
BY_MASK: Final = {
    "points": {"foreground": "foreground_points", "background": "background_points", "seed": "seed"},
    "box": {},
    "box_point": {"seed": "seed"},
}
"""The kinds that are made from an image's own mask, with the settings on which each depends."""
NETWORKS: Final = ("sam", "clipseg")
FORMAT: Final = 1
"""Version of the way in which maps are made; another number makes all maps again."""


class PromptedKinds(PromptSettings, total=False):
    """Hold the checked settings of a study of prompts, including the kinds of prompts."""

    kinds: Annotated[Sequence[str], Option(REQUIRED, "Prompt in these ways.", {"min_length": 1})]


class ImageWithMask(NamedTuple):
    """Hold an image, its mask, and the function that has SAM encode the image, once."""

    item: Item
    picture: Image.Image
    mask: NDArray[np.bool_]
    encoded: Callable[[], EncodedImage]


Make: TypeAlias = Callable[[ImageWithMask], tuple[NDArray[np.float32], Prompt]]


class Prompter(NamedTuple):
    """Hold a way of prompting a network.

    `label` is its name in tables, `identity` all that its maps depend on beside the image. `make` turns an image into its
    probabilities and the prompt used; `by_mask` says whether that is made from the image's own mask.
    """

    label: str
    identity: dict[str, Any]
    make: Make
    by_mask: bool = False


class ReferenceImage(NamedTuple):
    """Hold PerSAM-F's reference image and mask, with the hash of the image (`image`) and of both (`content`)."""

    name: str
    image: str
    content: str
    picture: Image.Image
    mask: NDArray[np.bool_]


def reference_of(settings: PromptedKinds, given: tuple[str | Path, str | Path] | None) -> ReferenceImage | None:
    """Read PerSAM-F's reference image and mask; None if PerSAM-F is not among the kinds."""
    if "persam" not in settings["kinds"]:
        if given is not None:
            raise InputError.of("reference", "is of use to persam alone", str(given[0]), "add persam, or leave it out")
        return None
    if given is None:
        raise InputError.of("reference", "must be an image and its mask for persam", None)
    image, mask = (Path(path) for path in given)
    for file in (image, mask):
        if not file.is_file():
            raise MissingPathError(f"{option('reference')} must name files, and {file} is none")
    data, marked = read_bytes(image), read_bytes(mask)
    picture = decode(data).image.convert("RGB")
    return ReferenceImage(image.name, content_hash(data), content_hash(data + marked), picture, read_mask(mask))


def prompters_of(
    settings: PromptedKinds, sam: Sam | None, example: ReferenceImage | None, clipseg: Any, pretrained: bool, device: str
) -> Iterator[Prompter]:
    """Make a prompter for each kind and text in the settings, loading each network once."""
    for kind in dict.fromkeys(settings["kinds"]):
        if kind == "text":
            network = ClipSeg(clipseg, pretrained=pretrained, device=device)
            for text in dict.fromkeys(settings["texts"] or networks.TEXTS):
                identity: dict[str, Any] = {"kind": kind, "weights": network.weights, "text": text}
                yield Prompter(f"text: {text}", identity, partial(_of_text, network, text))
            continue
        assert sam is not None  # for the type checker: the other kinds are SAM's
        identity = {"kind": kind, "weights": sam.weights}
        if kind in BY_MASK:
            identity |= {name: cast(Any, settings)[key] for name, key in BY_MASK[kind].items()}
            yield Prompter(kind, identity, partial(_of_mask, sam, kind, settings), by_mask=True)
        else:
            assert example is not None  # for the type checker: `reference_of` refuses none
            identity |= {"version": networks.VERSION, "reference": example.content, "steps": settings["steps"]}
            personal = networks.personalise(sam, example.picture, example.mask, settings["steps"])
            yield Prompter(kind, identity, partial(_of_example, sam, personal))


def _of_text(network: ClipSeg, text: str, image: ImageWithMask) -> tuple[NDArray[np.float32], Prompt]:
    return network.probabilities(image.picture, text), Prompt(text=text)


def _of_example(sam: Sam, personal: Personal, image: ImageWithMask) -> tuple[NDArray[np.float32], Prompt]:
    return networks.by_example(sam, personal, image.encoded())


def _of_mask(sam: Sam, kind: str, settings: PromptedKinds, image: ImageWithMask) -> tuple[NDArray[np.float32], Prompt]:
    # Seeded by the image's name, so that neither other images nor their order change its points.
    rng = stream(settings["seed"], "prompts", image.item.name)
    if kind == "points":
        prompt = networks.points_of(image.mask, settings["foreground_points"], settings["background_points"], rng)
    else:
        prompt = networks.box_of(image.mask) if kind == "box" else networks.box_and_point_of(image.mask, rng)
    return sam.probabilities(image.encoded(), sam.best(image.encoded(), prompt)), prompt


@with_options(PromptOptions)
def prompts(
    datasets: DatasetsArgument,
    kinds: Sequence[str] | str = ("points", "box", "text"),
    *,
    out: str | Path,
    reference: tuple[str | Path, str | Path] | None = None,
    **options: Unpack[PromptOptions],
) -> Prompting:
    """Segment images with promptable networks that were not trained on such images, and score them (figs. 11, 12).

    Prompts of points and boxes are made from each image's own mask, so they show what an annotator's clicks could achieve, not
    what a network would find alone. Images whose mask is empty or missing are left out.

    Parameters
    ----------
    datasets
        One dataset with masks, a list of them, or a mapping from names to them; each a `Dataset` or a dataset argument.
    kinds
        Any of "points", "box", "box_point" (the box and a background point outside it; all of SAM), "text" (CLIPSeg) and
        "persam" (PerSAM-F: SAM with a `reference`).
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
    """Segment and score as `prompts` does, writing only the maps, below the absolute path `root`."""
    given = checked(PromptOptions, options)
    sam, clipseg, pretrained = given["sam"], given["clipseg"], given["pretrained"]
    settings = prompt_settings(kinds, given)
    example = reference_of(settings, reference)
    parsed = parse_all(datasets, "dataset")
    if not parsed:
        raise InputError.of("datasets", "must name at least one", datasets)
    check_names(parsed)
    sets, skipped = zip(*(_usable(parse_images(dataset), settings, example) for dataset in parsed), strict=True)
    segment = Sam(sam, pretrained=pretrained, device=given["device"]) if SAMS & set(settings["kinds"]) else None
    prompters = tuple(prompters_of(settings, segment, example, clipseg, pretrained, given["device"]))
    images = pd.DataFrame([row for each in sets for row in _predicted(each, prompters, segment, root, given["progress"])])
    scores, rows = _scored(sets, prompters, images, root, given["score_size"])
    notes = [] if pretrained else [RANDOM_WEIGHTS]
    if given["score_size"] is not None:
        notes.append(f"maps and masks were resized to {given['score_size']}×{given['score_size']} before they were compared")
    if BY_MASK.keys() & settings["kinds"]:
        notes.append("points and boxes are taken from the masks that the maps are scored by: a network alone has none")
    small = [dataset for dataset in sets if len(dataset.items) < 10]
    notes += [f"{dataset.name} has {len(dataset.items)} images: its scores say little" for dataset in small]
    return Prompting(
        datasets=tuple(dataset.name for dataset in sets),
        prompts=tuple(prompter.label for prompter in prompters),
        settings={**settings, "reference": None if example is None else example.name},
        scores=scores,
        images=rows,
        provenance=Provenance.now(),
        skipped=tuple(itertools.chain(*skipped)),
        notes=tuple(notes),
    )


def prompt_settings(kinds: Sequence[str] | str, given: PromptOptions) -> PromptedKinds:
    """Check kinds and options together and return the settings; `InputError` for an unknown kind or unused option."""
    texts = (given["texts"],) if isinstance(given["texts"], str) else given["texts"]
    own = {"kinds": (kinds,) if isinstance(kinds, str) else tuple(kinds), "texts": None if texts is None else tuple(texts)}
    settings = checked(PromptedKinds, {**picked(PromptSettings, given), **own})
    for kind in settings["kinds"]:
        if kind not in KINDS:
            raise InputError.of("prompts", f"must be of {', '.join(KINDS)}", kind)
    texts = settings["texts"]
    if texts is not None and not (texts and all(text.strip() for text in texts)):
        raise InputError.of("texts", "must hold words", texts)
    readers = {"texts": frozenset({"text"}), "sam": SAMS, "clipseg": frozenset({"text"})}
    for name, value in (("texts", texts), ("sam", given["sam"]), ("clipseg", given["clipseg"])):
        if value is not None and not readers[name] & set(settings["kinds"]):
            raise InputError.of(name, f"is of use to {' or '.join(sorted(readers[name]))} alone", value, "leave it out")
    return settings


def _usable(dataset: Dataset, settings: PromptedKinds, example: ReferenceImage | None) -> tuple[Dataset, tuple[Skipped, ...]]:
    """Draw up to the limit of images with true foreground, without the reference, and list skipped images."""
    rng = stream(settings["seed"], "prompts", dataset.name)
    limit = len(dataset.items) if settings["limit"] is None else settings["limit"]
    usable: dict[int, Item] = {}
    skipped: list[Skipped] = list(dataset.skipped)
    for index in rng.permutation(len(dataset.items)).tolist():
        item = dataset.items[index]
        if len(usable) == limit or item.mask is None:
            continue
        try:
            mask = read_mask(item.mask)
            data = read_bytes(item.path)
            width, height = decode(data).image.size
            if mask.shape != (height, width):
                raise ImageError(f"is {height}×{width}, and its mask {mask.shape[0]}×{mask.shape[1]}")
            if bool(mask.any()) and (example is None or content_hash(data) != example.image):
                usable[index] = item
        except ImageError as error:
            skipped.append(Skipped(dataset.name, path_text(item.path), str(error)))
    if not usable:
        remedy = "put them in masks/ beside images/"
        raise InputError.of(f"dataset {dataset.name}", "must have masks with foreground", "none", remedy)
    return replace(dataset, items=tuple(usable[index] for index in sorted(usable)), skipped=()), tuple(skipped)


def _predicted(
    dataset: Dataset, prompters: Sequence[Prompter], sam: Sam | None, root: Path, progress: bool
) -> Iterator[dict[str, Any]]:
    """Write the missing maps of each image and prompter, and yield rows for the images' table."""
    folders = [map_paths(_folder(root, prompter, dataset), dataset) for prompter in prompters]
    files = [{item.name: path for path, item in folder.items()} for folder in folders]
    for item in bar(dataset.items, progress=progress, desc=f"prompting {dataset.name}", unit="image"):
        data = read_bytes(item.path)
        picture = decode(data).image.convert("RGB")
        mask = read_mask(item.mask) if item.mask is not None else np.zeros((picture.height, picture.width), dtype=bool)
        # Only the prompters of SAM ask for the encoded image.
        image = ImageWithMask(item, picture, mask, functools.cache(partial(Sam.encode, cast(Sam, sam), picture)))
        for prompter, paths in zip(prompters, files, strict=True):
            prompt = _mapped(prompter, image, paths[item.name], content_hash(data))
            row = {"prompt": prompter.label, "dataset": dataset.name, "image": item.name, "path": str(item.path)}
            row |= {"mask": str(item.mask), "map": paths[item.name].relative_to(root).as_posix()}
            yield {**row, "told": json.dumps(prompt, sort_keys=True)}


def _mapped(prompter: Prompter, image: ImageWithMask, path: Path, content: str) -> dict[str, Any]:
    """Write the map unless an equal one exists, and return its prompt, which is also in the map's signature."""
    mask = image.item.mask if prompter.by_mask else None
    own_mask = {} if mask is None else {"mask": content_hash(read_bytes(mask))}
    signature = {"format": FORMAT, **prompter.identity, "image": content, **own_mask}
    try:
        written = signature_of(path)
        earlier = {} if written is None else json.loads(written)
        if not isinstance(earlier, dict) or not isinstance(earlier.get("prompt", {}), dict):
            raise ValueError("no signature")
    except (ValueError, RecursionError) as error:
        rule = "must hold no maps that howfar did not write"
        raise InputError.of("out", rule, str(path), "choose another folder") from error
    if {key: value for key, value in earlier.items() if key != "prompt"} == signature:
        return dict(earlier.get("prompt", {}))
    values, prompt = prompter.make(image)
    document = asdict(prompt)
    write_map(path, np.round(255 * values).astype(np.uint8), json.dumps({**signature, "prompt": document}, sort_keys=True))
    return document


def _folder(root: Path, prompter: Prompter, dataset: Dataset) -> Path:
    """Return the folder of a prompter's maps of a dataset, whose name is unique to its label."""
    label = prompter.label
    plain = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")[:40]
    unique = plain if plain == label else f"{plain}-{hashlib.sha256(label.encode()).hexdigest()[:8]}"
    return root / "maps" / unique / dataset.name


def _scored(
    sets: Sequence[Dataset], prompters: Sequence[Prompter], images: pd.DataFrame, root: Path, score_size: int | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    scores, parts = [], []
    for prompter, dataset in itertools.product(prompters, sets):
        folder = _folder(root, prompter, dataset)
        evaluation = evaluate(dataset, folder, threshold=0.5, score_size=score_size, progress=False)
        row: dict[str, Any] = {"prompt": prompter.label, "dataset": dataset.name, "n": evaluation.scored}
        values = {name: evaluation.scores[name] for name in ("ods", "ods_threshold", "ois", "ap", "f", "mean_f")}
        scores.append(row | {name: np.nan if value is None else value for name, value in values.items()})
        f = evaluation.images.set_index("image")["performance"].rename("f")
        parts.append(matching(images, prompt=prompter.label, dataset=dataset.name).join(f, on="image"))
    return pd.DataFrame(scores), pd.concat(parts, ignore_index=True)


class PromptsSettings(KindSettings):
    """Hold the settings of the study of prompts."""

    datasets: DatasetNames = Field(description="The datasets, with masks.")
    prompts: tuple[str, ...] = Field(
        ("points", "box", "text"), min_length=1, description="Any of points, box, box_point, text and persam."
    )
    sam: NetworkName = Field("", description="The backbone entry that says where SAM's weights are; by default the published.")
    clipseg: NetworkName = Field("", description="The backbone entry that says where CLIPSeg's are; by default the published.")
    texts: tuple[str, ...] | None = setting(options.Texts)
    foreground_points: int = setting(options.ForegroundPoints)
    background_points: int = setting(options.BackgroundPoints)
    reference: DatasetName = Field("", description="The dataset of which persam is shown one image with its mask.")
    reference_image: str = Field("", description="That image's name; by default one is drawn with the seed.")
    steps: int = setting(options.Steps)
    limit: int | None = setting(options.Limit)
    seed: int = setting(options.Seed)
    score_size: int | None = setting(options.ScoreSize)


def _check(settings: PromptsSettings, inputs: Inputs) -> None:
    for network in NETWORKS:
        name = getattr(settings, network)
        if name and inputs.loading(name)[0] != network:
            raise InputError.of(network, f"must name an entry of the backbone {network}", name, f'write backbone = "{network}"')
    prompt_settings(settings.prompts, _options(settings, inputs))
    if ("persam" in settings.prompts) != bool(settings.reference):
        remedy = 'write reference = "DATASET"' if not settings.reference else "add persam to prompts, or leave it out"
        raise InputError.of("reference", "goes with persam alone, which needs it", settings.reference, remedy)
    named = [item.name for item in inputs.file.datasets[settings.reference].items] if settings.reference else []
    if settings.reference_image and settings.reference_image not in named:
        raise InputError.of("reference_image", "must be an image of the dataset reference", settings.reference_image)
    for name in inputs.names((*settings.datasets, *filter(None, [settings.reference]))):
        if all(item.mask is None for item in inputs.file.datasets[name].items):
            raise InputError.of(f"datasets.{name}", "must have masks", "none", "put them in masks/ beside images/")


def _options(settings: PromptsSettings, inputs: Inputs) -> PromptOptions:
    """Return the options of `howfar.prompts`, including the networks' weights."""
    own = {name: getattr(settings, name) for name in (*PromptSettings.__annotations__, "score_size")}
    named = {network: getattr(settings, network) for network in NETWORKS}
    weights = {network: inputs.loading(name)[1].get("weights") for network, name in named.items() if name}
    entries = inputs.file.document.backbones
    published = {network: not name or entries[name].pretrained for network, name in _prompted(settings).items()}
    if len(set(published.values())) > 1:
        raise InputError.of("sam and clipseg", "must both have published weights, or both random ones", published)
    own |= {"pretrained": all(published.values()), "device": inputs.device, "progress": inputs.execution.progress}
    return checked(PromptOptions, {**own, **weights})


def _prompted(settings: PromptsSettings) -> dict[str, str]:
    """Return the prompted networks with their backbone entries."""
    sam = {"sam": settings.sam} if SAMS & set(settings.prompts) else {}
    return sam | ({"clipseg": settings.clipseg} if "text" in settings.prompts else {})


def _run(settings: PromptsSettings, inputs: Inputs) -> Prompting:
    reference = _reference(settings, inputs) if settings.reference else None
    chosen = _options(settings, inputs)
    return prompted(inputs.datasets(settings.datasets), settings.prompts, inputs.folder, reference, chosen)


def _reference(settings: PromptsSettings, inputs: Inputs) -> tuple[Path, Path]:
    """Find PerSAM-F's image and mask: the named image, or a random one with foreground, drawn with the seed."""
    dataset = inputs.file.datasets[settings.reference]
    order = stream(settings.seed, "prompts").permutation(len(dataset.items)).tolist()
    named = [item for item in dataset.items if item.name == settings.reference_image]
    for item in named if settings.reference_image else [dataset.items[index] for index in order]:
        if item.mask is None:
            continue
        try:
            if read_mask(item.mask).any():
                return Path(str(item.path)), Path(str(item.mask))
        except ImageError:
            continue
    raise InputError.of("reference", "must have a mask with foreground", settings.reference_image or settings.reference)


def _work(settings: PromptsSettings, inputs: Inputs) -> Work:
    """Count each image once per network, as prompts and texts cost little in comparison."""
    seen = inputs.names(settings.datasets)
    # A name of its own, as what a prompted network computes is not kept among features.
    return Work(embedded={f"{name}+prompts": seen for name in _prompted(settings).values() if name})


def _networks(settings: PromptsSettings, document: Any) -> Iterator[Network]:
    """Yield the published networks that no backbone of the file stands for, with the keys that provide their weights."""
    load = {"sam": Sam, "clipseg": ClipSeg}
    for network, name in _prompted(settings).items():
        if not name:
            place = f'{network} of a study of prompts, which reads the weights below where it says {network} = "{network}"'
            yield place, {network: f"backbones.{network}.weights"}, load[network]


PROMPTS = StudyKind(
    name="prompts",
    title="Would a prompt do?",
    summary="What SAM, CLIPSeg and PerSAM-F segment when they are told what to look for (figures 11 and 12).",
    settings=PromptsSettings,
    run=_run,
    result=Prompting,
    work=_work,
    check=_check,
    networks=_networks,
)
