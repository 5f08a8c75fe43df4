"""The ways of prompting that a study compares, from its settings."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from howfar.data import Item, content_hash, decode, read_bytes, read_mask
from howfar.errors import InputError, MissingPathError
from howfar.keywords import PromptSettings
from howfar.options import REQUIRED, Option
from howfar.settings import checked
from howfar.studies.prompts.persam import Personal, by_example, personalise
from howfar.studies.prompts.prompt import Prompt, box_of, points_of
from howfar.studies.prompts.sam import Sam, Seen
from howfar.studies.prompts.text import TEXTS, ClipSeg

KINDS: Final = ("points", "box", "text", "persam")
STREAM: Final = 5


class PromptedKinds(PromptSettings, total=False):
    """Settings of the study, with the kinds of prompts."""

    kinds: Annotated[Sequence[str], Option(REQUIRED, "Prompt in these ways.", {"min_length": 1})]


def settings_of(given: Mapping[str, Any]) -> PromptedKinds:
    """Check the settings of the study.

    Raises
    ------
    InputError
        Names the first that is refused, the rule and the value.
    """
    found = checked(PromptedKinds, given)
    for kind in found["kinds"]:
        if kind not in KINDS:
            raise InputError.of("prompts", f"must be of {', '.join(KINDS)}", kind)
    texts = found["texts"]
    if texts is not None and not (texts and all(text.strip() for text in texts)):
        raise InputError.of("texts", "must hold words", texts)
    return found


def refuse_unused(kinds: Sequence[str], **given: Any) -> None:
    """Refuse texts and weights that none of the kinds of prompts reads.

    Raises
    ------
    InputError
        Names the first.
    """
    readers = {"texts": {"text"}, "clipseg": {"text"}, "sam": {"points", "box", "persam"}}
    for name, value in given.items():
        if value is not None and not readers[name] & set(kinds):
            raise InputError.of(name, f"is of use to {' or '.join(sorted(readers[name]))} alone", value, "leave it out")


class Pictured(NamedTuple):
    """A picture with its mask, and what SAM's encoder makes of it, once."""

    item: Item
    picture: Image.Image
    mask: NDArray[np.bool_]
    seen: Callable[[], Seen]


class Prompter(NamedTuple):
    """One way of prompting one network.

    Attributes
    ----------
    label, identity
        What tables call it, and what its maps depend on beside the image.
    make
        Gives a picture's probabilities, and the prompt that they came from.
    by_mask
        Whether the prompt comes from the picture's own mask.
    """

    label: str
    identity: dict[str, Any]
    make: Callable[[Pictured], tuple[NDArray[np.float32], Prompt]]
    by_mask: bool = False


class Example(NamedTuple):
    """The reference of PerSAM-F; `image` is its picture's content, `content` that of picture and mask."""

    name: str
    image: str
    content: str
    picture: Image.Image
    mask: NDArray[np.bool_]


def reference_of(settings: PromptedKinds, given: tuple[str | Path, str | Path] | None) -> Example | None:
    """The image and mask that PerSAM-F is told by, where it is asked for.

    Raises
    ------
    HowfarError
        It is missing, unreadable, or of no use.
    """
    if "persam" not in settings["kinds"]:
        if given is not None:
            raise InputError.of("reference", "is of use to persam alone", str(given[0]), "add persam, or leave it out")
        return None
    if given is None:
        raise InputError.of("reference", "must be an image and its mask for persam", None)
    image, mask = (Path(one) for one in given)
    for one in (image, mask):
        if not one.is_file():
            raise MissingPathError(f"reference must name files, and {one} is none")
    data, marked = read_bytes(image), read_bytes(mask)
    picture = decode(data).image.convert("RGB")
    return Example(image.name, content_hash(data), content_hash(data + marked), picture, read_mask(mask))


def prompters_of(
    settings: PromptedKinds, sam: Sam | None, example: Example | None, clipseg: Any, pretrained: bool, device: str
) -> list[Prompter]:
    """What the settings ask for; networks are loaded once."""
    made: list[Prompter] = []
    for kind in dict.fromkeys(settings["kinds"]):
        if kind == "text":
            network = ClipSeg(clipseg, pretrained=pretrained, device=device)
            for text in dict.fromkeys(settings["texts"] or TEXTS):
                identity = {"kind": kind, "weights": network.weights, "text": text}
                made.append(Prompter(f"text: {text}", identity, _of_text(network, text)))
            continue
        assert sam is not None  # for the type checker: the other kinds are SAM's
        own: dict[str, Any] = {"kind": kind, "weights": sam.weights}
        if kind == "points":
            own |= {"foreground": settings["foreground"], "background": settings["background"], "seed": settings["seed"]}
            made.append(Prompter(kind, own, _of_points(sam, settings), by_mask=True))
        elif kind == "box":
            made.append(Prompter(kind, own, partial(_of_box, sam), by_mask=True))
        else:
            assert example is not None  # for the type checker: `reference_of` refuses none
            own |= {"reference": example.content, "steps": settings["steps"]}
            made.append(
                Prompter(
                    kind, own, partial(_of_example, sam, personalise(sam, example.picture, example.mask, settings["steps"]))
                )
            )
    return made


def _of_text(network: ClipSeg, text: str) -> Callable[[Pictured], tuple[NDArray[np.float32], Prompt]]:
    return lambda one: (network.probabilities(one.picture, text), Prompt(text=text))


def _of_points(sam: Sam, settings: PromptedKinds) -> Callable[[Pictured], tuple[NDArray[np.float32], Prompt]]:
    def made(one: Pictured) -> tuple[NDArray[np.float32], Prompt]:
        # By the image's name, so that neither other images nor their order change its points.
        rng = np.random.default_rng([settings["seed"], zlib.crc32(one.item.name.encode()), STREAM])
        return _of_prompt(sam, one, points_of(one.mask, settings["foreground"], settings["background"], rng))

    return made


def _of_box(sam: Sam, one: Pictured) -> tuple[NDArray[np.float32], Prompt]:
    return _of_prompt(sam, one, box_of(one.mask))


def _of_example(sam: Sam, personal: Personal, one: Pictured) -> tuple[NDArray[np.float32], Prompt]:
    return by_example(sam, personal, one.seen())


def _of_prompt(sam: Sam, one: Pictured, prompt: Prompt) -> tuple[NDArray[np.float32], Prompt]:
    seen = one.seen()
    return sam.probabilities(seen, sam.masks(seen, prompt).best), prompt
