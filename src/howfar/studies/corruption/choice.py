"""Read which corruptions are wanted: names, names with a strength, or every registered one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from howfar.errors import InputError
from howfar.perturb import LabelledPerturbation, labelled_every, labelled_named


@dataclass(frozen=True)
class Chosen:
    """Hold a perturbation at a strength."""

    perturbation: LabelledPerturbation
    strength: float

    @property
    def label(self) -> str:
        """Name the corruption in tables, as "fade 0.65"."""
        return self.perturbation.label(self.strength)

    @property
    def slug(self) -> str:
        """Name its folder, as "fade-0.65"."""
        return f"{self.perturbation.name}-{self.strength:g}"


def choose(only: str | Sequence[str]) -> tuple[Chosen, ...]:
    """List the wanted perturbations: ``fade`` at each strength that stands for it, ``fade=0.4`` at that one; all of none.

    Raises `UnknownNameError` for a name that is not registered, and `InputError` for a strength that is no number, 0, or out of
    the perturbation's range.

    Examples
    --------
    >>> [chosen.label for chosen in choose("blur,fade=0.4")]
    ['blur 3', 'blur 6', 'fade 0.4']
    """
    texts = only.split(",") if isinstance(only, str) else [part for text in only for part in text.split(",")]
    wanted = [text.strip() for text in texts if text.strip()]
    if not wanted and only:
        raise InputError.of("only", "must name a perturbation", only, "leave it out for every one")
    return tuple(dict.fromkeys(chosen for text in wanted or labelled_every() for chosen in _read(text)))


def _read(text: str) -> list[Chosen]:
    name, given, number = text.partition("=")
    perturbation = labelled_named(name)
    if not given:
        return [Chosen(perturbation, strength) for strength in perturbation.strengths]
    try:
        strength = float(number)
    except ValueError as error:
        raise InputError.of("only", "must be NAME or NAME=STRENGTH", text, "write fade=0.4") from error
    perturbation.check(strength)
    if strength == 0:
        raise InputError.of("only", "must have a strength that is not 0", text, "the images as they are are scored in any case")
    return [Chosen(perturbation, strength)]
