"""Define a way of adapting a trained segmenter to a site, find it by name, and run several one after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from howfar import registry
from howfar.data import Dataset
from howfar.errors import InputError
from howfar.pipeline.norm_adaptation import ADAPTED
from howfar.segmenters.checkpoint import Card, Checkpoint
from howfar.tracking import Log
from howfar.training.image_mask_pairs import Example

KIND = "adaptation_ways"
THEN = "+"
OWN_SETTINGS = "own_settings"
"""Where the entry `ADAPTED` of a card's data keeps the settings that M was trained by, once a way has trained on."""
Need: TypeAlias = Literal["labels", "images", "either"]
UNADAPTED = "M"
"""How tables call the model as it is, adapted by no way."""


@dataclass(frozen=True)
class Given:
    """Hold what a way of adapting may learn from, and where it may work.

    Attributes
    ----------
    examples
        The primary dataset's images and masks: those that the checkpoint was trained and tuned on.
    site
        Images of the site, whose masks no way reads; None where there are none.
    picks
        The site's labelled images; none is left out or held out.
    folder
        Where states of killed trainings are kept.
    tiled
        Whether the site is to be predicted by tiles, so that unlabelled images are read as such.
    device, workers, progress
        Where the network runs, how many processes prepare batches, and whether bars are shown.
    log
        Where what is trained is logged; None: nowhere.
    """

    examples: tuple[Example, ...]
    site: Dataset | None
    picks: tuple[Example, ...]
    folder: Path
    tiled: bool = False
    device: str = "auto"
    workers: int = 0
    progress: bool = True
    log: Log | None = None

    @property
    def name(self) -> str:
        """Name the site."""
        return self.site.name if self.site is not None else ", ".join(dict.fromkeys(pick.dataset for pick in self.picks))


@dataclass(frozen=True)
class AdaptationWay:
    """Register a way of adapting under one name, in the registry or as an entry point of ``howfar.adaptation_ways``.

    Attributes
    ----------
    name
        Its registered name, without ``+``.
    summary
        One line: what it does, and its source.
    needs
        Whether it needs ``labels``, unlabelled ``images``, or takes ``either``.
    adapt
        (checkpoint, given) -> the adapted checkpoint; the given one is left as it is.
    learns_from_site
        Whether it trains on unlabelled images too, so that scoring it on these would be no fair test.
    anew
        Whether it begins with first weights, so that no other way may come before it.
    """

    name: str
    summary: str
    needs: Need
    adapt: Callable[[Checkpoint, Given], Checkpoint]
    learns_from_site: bool = False
    anew: bool = False

    @property
    def trains(self) -> bool:
        """Tell whether it trains, and so tunes the threshold again on P's held-out images."""
        return self.needs != "images" or self.learns_from_site

    def check(self, given: Given) -> None:
        """Raise `InputError` where what the way needs is absent."""
        if self.needs == "labels" and not given.picks:
            raise InputError.of(
                "way", "must be one that needs no label where none is given", self.name, "label some, or pass norm"
            )
        if self.needs == "images" and given.site is None:
            raise InputError.of("way", "needs images of the site", self.name, "pass the site too")
        if self.needs == "either" and given.site is None and not given.picks:
            raise InputError.of("way", "needs images of the site, with labels or without", self.name, "pass the site too")


def steps_of(way: str) -> tuple[AdaptationWay, ...]:
    """Find the ways that a name such as ``finetune+norm`` puts one after another.

    Raises
    ------
    UnknownNameError
        A part that is not registered; the line names the nearest one.
    InputError
        A way named twice, or one that trains anew after another.

    Examples
    --------
    >>> [step.needs for step in steps_of("finetune+norm")]
    ['labels', 'images']
    """
    names = [part.strip() for part in way.split(THEN)]
    for name in names:
        if names.count(name) > 1:
            raise InputError.of("way", "must name each way once", way, "leave one out")
    steps = tuple(registry.load(KIND, name) for name in names)
    for step in steps[1:]:
        if step.anew:
            rule = f"must begin with {step.name}, which trains anew and keeps nothing of what came before"
            raise InputError.of("way", rule, way, f"pass {step.name} first, or alone")
    return steps


def adapted(checkpoint: Checkpoint, way: str, given: Given) -> Checkpoint:
    """Adapt a checkpoint by one way, or by several one after another; the card's data says by which, and to what.

    Parameters
    ----------
    checkpoint
        A trained segmenter, M.
    way
        A registered name, or several with ``+`` between them: ``finetune+norm`` tunes M, then mixes in the site's statistics.
    given
        What may be learnt from.

    Raises
    ------
    HowfarError
        An unknown way, one that needs labels or images that are not given, or what the way itself refuses.
    """
    steps = steps_of(way)
    for step in steps:
        step.check(given)
    for step in steps:
        checkpoint = _recorded(checkpoint.card, step.adapt(checkpoint, given), step, given)
    return checkpoint


def _recorded(before: Card, found: Checkpoint, step: AdaptationWay, given: Given) -> Checkpoint:
    """Write into a card by which ways, after one another, it was adapted, to which site, and by how many labels.

    Labels are those of the last way that learnt from some; images without foreground, of background, are none.
    """
    was: Mapping[str, Any] = {} if step.anew else before.data.get(ADAPTED) or {}
    labels = sum(pick.mask is not None for pick in given.picks) if step.trains else was.get("labels", 0)
    entry = {**was, **(found.card.data.get(ADAPTED) or {}), "dataset": given.name, "labels": labels}
    entry["way"] = THEN.join([*([was["way"]] if was else []), step.name])
    if found.card.settings != before.settings and not step.anew:
        entry.setdefault(OWN_SETTINGS, dict(before.settings))
    return Checkpoint(replace(found.card, data={**found.card.data, ADAPTED: entry}), found.state)
