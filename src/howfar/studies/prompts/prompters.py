"""Make the prompting methods that a study compares (points, box, text, reference image) from its settings."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from howfar.data import Item, content_hash, decode, read_bytes, read_mask
from howfar.errors import InputError, MissingPathError
from howfar.keywords import PromptSettings
from howfar.options import REQUIRED, Option
from howfar.settings import checked
from howfar.studies.prompts.clipseg import TEXTS, ClipSeg
from howfar.studies.prompts.persam import VERSION, Personal, by_example, personalise
from howfar.studies.prompts.prompt import Prompt, box_of, points_of
from howfar.studies.prompts.sam import EncodedImage, Sam

KINDS: Final = ("points", "box", "text", "persam")
STREAM: Final = 5


class PromptedKinds(PromptSettings, total=False):
    """Hold the checked settings of a study of prompts, with the kinds of prompts."""

    kinds: Annotated[Sequence[str], Option(REQUIRED, "Prompt in these ways.", {"min_length": 1})]


def settings_of(given: Mapping[str, Any]) -> PromptedKinds:
    """Check the settings of a study of prompts; the first refused one raises `InputError` with its name, rule and value."""
    settings = checked(PromptedKinds, given)
    for kind in settings["kinds"]:
        if kind not in KINDS:
            raise InputError.of("prompts", f"must be of {', '.join(KINDS)}", kind)
    texts = settings["texts"]
    if texts is not None and not (texts and all(text.strip() for text in texts)):
        raise InputError.of("texts", "must hold words", texts)
    return settings


def refuse_unused(kinds: Sequence[str], **given: Any) -> None:
    """Refuse weights and texts that none of the chosen kinds uses; `InputError` names the first."""
    readers = {"texts": {"text"}, "clipseg": {"text"}, "sam": {"points", "box", "persam"}}
    for name, value in given.items():
        if value is not None and not readers[name] & set(kinds):
            raise InputError.of(name, f"is of use to {' or '.join(sorted(readers[name]))} alone", value, "leave it out")


class ImageWithMask(NamedTuple):
    """Hold an image with its mask, and a function that encodes it by SAM once."""

    item: Item
    picture: Image.Image
    mask: NDArray[np.bool_]
    encoded: Callable[[], EncodedImage]


Make: TypeAlias = Callable[[ImageWithMask], tuple[NDArray[np.float32], Prompt]]


class Prompter(NamedTuple):
    """Hold one way of prompting one network.

    `label` is its name in tables, `identity` all that its maps depend on beside the image. `make` turns an image into its
    probabilities and the prompt used; `by_mask` says whether that is made from the image's own mask.
    """

    label: str
    identity: dict[str, Any]
    make: Make
    by_mask: bool = False


class Example(NamedTuple):
    """Hold PerSAM-F's reference image and mask; `image` is the image's content hash, `content` that of image and mask."""

    name: str
    image: str
    content: str
    picture: Image.Image
    mask: NDArray[np.bool_]


def reference_of(settings: PromptedKinds, given: tuple[str | Path, str | Path] | None) -> Example | None:
    """Read the reference image and mask for PerSAM-F, if it is among the kinds.

    Raises `HowfarError` where the reference is missing or unreadable, or none of the kinds uses it.
    """
    if "persam" not in settings["kinds"]:
        if given is not None:
            raise InputError.of("reference", "is of use to persam alone", str(given[0]), "add persam, or leave it out")
        return None
    if given is None:
        raise InputError.of("reference", "must be an image and its mask for persam", None)
    image, mask = (Path(path) for path in given)
    for file in (image, mask):
        if not file.is_file():
            raise MissingPathError(f"reference must name files, and {file} is none")
    data, marked = read_bytes(image), read_bytes(mask)
    picture = decode(data).image.convert("RGB")
    return Example(image.name, content_hash(data), content_hash(data + marked), picture, read_mask(mask))


def prompters_of(
    settings: PromptedKinds, sam: Sam | None, example: Example | None, clipseg: Any, pretrained: bool, device: str
) -> list[Prompter]:
    """Make a prompter for each kind and text of the settings, loading each network once."""
    prompters: list[Prompter] = []
    for kind in dict.fromkeys(settings["kinds"]):
        if kind == "text":
            network = ClipSeg(clipseg, pretrained=pretrained, device=device)
            for text in dict.fromkeys(settings["texts"] or TEXTS):
                identity: dict[str, Any] = {"kind": kind, "weights": network.weights, "text": text}
                prompters.append(Prompter(f"text: {text}", identity, _of_text(network, text)))
            continue
        assert sam is not None  # for the type checker: the other kinds are SAM's
        identity = {"kind": kind, "weights": sam.weights}
        if kind == "points":
            identity |= {"foreground": settings["foreground_points"], "background": settings["background_points"]}
            identity |= {"seed": settings["seed"]}
            prompters.append(Prompter(kind, identity, _of_points(sam, settings), by_mask=True))
        elif kind == "box":
            prompters.append(Prompter(kind, identity, partial(_of_box, sam), by_mask=True))
        else:
            assert example is not None  # for the type checker: `reference_of` refuses none
            identity |= {"version": VERSION, "reference": example.content, "steps": settings["steps"]}
            personal = personalise(sam, example.picture, example.mask, settings["steps"])
            prompters.append(Prompter(kind, identity, partial(_of_example, sam, personal)))
    return prompters


def _of_text(network: ClipSeg, text: str) -> Make:
    return lambda image: (network.probabilities(image.picture, text), Prompt(text=text))


def _of_points(sam: Sam, settings: PromptedKinds) -> Make:
    def make(image: ImageWithMask) -> tuple[NDArray[np.float32], Prompt]:
        # Seeded by the image's name, so that neither other images nor their order change its points.
        rng = np.random.default_rng([settings["seed"], zlib.crc32(image.item.name.encode()), STREAM])
        points = points_of(image.mask, settings["foreground_points"], settings["background_points"], rng)
        return _of_prompt(sam, image, points)

    return make


def _of_box(sam: Sam, image: ImageWithMask) -> tuple[NDArray[np.float32], Prompt]:
    return _of_prompt(sam, image, box_of(image.mask))


def _of_example(sam: Sam, personal: Personal, image: ImageWithMask) -> tuple[NDArray[np.float32], Prompt]:
    return by_example(sam, personal, image.encoded())


def _of_prompt(sam: Sam, image: ImageWithMask, prompt: Prompt) -> tuple[NDArray[np.float32], Prompt]:
    encoded = image.encoded()
    return sam.probabilities(encoded, sam.masks(encoded, prompt).best), prompt
