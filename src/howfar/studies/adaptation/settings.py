"""Settings of the adaptation study, and the models that they ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from howfar.errors import InputError
from howfar.selection import named

ANEW, TUNED = "anew", "tuned"
RANDOM = "random"


class Config(BaseModel):
    """The study's settings, checked: an unknown or impossible one is an error that names it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shots: tuple[int, ...] = Field((1, 3, 7), min_length=1, description="images of each secondary that are added")
    strategies: tuple[str, ...] = Field(("far",), min_length=1, description="how they are chosen")
    seeds: tuple[int, ...] = Field((0,), min_length=1, description="of training and choosing; each trains all models anew")
    random_seeds: tuple[int, ...] = Field((), description="further seeds, in which only M and what random chose are trained")
    background_shots: tuple[int, ...] = Field((), description="background images added to the largest number of shots")
    pool: float | None = Field(
        None, gt=0, lt=1, description="share of photographs that may be chosen from; the others are scored"
    )
    start: Literal["anew", "tuned"] = Field("anew", description="train from the first weights, or go on from M's")
    components: int = Field(25, ge=1)
    bootstrap: int = Field(2000, ge=2)
    group: str | None = None

    @classmethod
    def checked(cls, **values: Any) -> Config:
        """Settings from keyword values; the first refused one becomes one clear line.

        Raises
        ------
        InputError
            Names the setting, the rule and the value.
        UnknownNameError
            No such strategy.
        """
        try:
            made = cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            raise InputError.of(name, f"is refused ({first['msg']})", first["input"]) from error
        for name, given in (
            *((name, getattr(made, name)) for name in ("shots", "background_shots", "strategies")),
            ("seeds and random_seeds", (*made.seeds, *made.random_seeds)),
        ):
            if len(set(given)) < len(given):
                raise InputError.of(name, "must not repeat one", list(given))
        if made.random_seeds and RANDOM not in made.strategies:
            raise InputError.of("random_seeds", "are of use only where random is a strategy", list(made.random_seeds))
        for name in ("shots", "background_shots"):
            if min((*getattr(made, name), 1)) < 1:
                remedy = "the models without any are always trained"
                raise InputError.of(name, "must be at least 1", list(getattr(made, name)), remedy)
        for strategy in made.strategies:
            named(strategy)
        return made

    def arms(self, seed: int | None = None) -> tuple[Arm, ...]:
        """Every model but M, once: strategies by shots, then background on the most shots; with a seed, those of that seed.

        Examples
        --------
        >>> [one.label for one in Config(strategies=("far", "random"), shots=(1, 7), background_shots=(3,)).arms()]
        ['far-1', 'far-7', 'random-1', 'random-7', 'far-7-B3', 'random-7-B3']
        """
        strategies = self.strategies if seed is None else self.strategies_of(seed)
        plain = [Arm(strategy, shots) for strategy in strategies for shots in self.shots]
        most = max(self.shots)
        return (*plain, *(Arm(strategy, most, one) for strategy in strategies for one in self.background_shots))

    def strategies_of(self, seed: int) -> tuple[str, ...]:
        """The strategies that choose in this seed."""
        return (RANDOM,) if seed in self.random_seeds else self.strategies

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """Seeds of all strategies, then those of random alone."""
        return (*self.seeds, *self.random_seeds)


@dataclass(frozen=True)
class Arm:
    """One adapted model: P, `shots` images of each secondary chosen by `strategy`, and `background` ones without foreground."""

    strategy: str
    shots: int
    background: int = 0

    @property
    def label(self) -> str:
        """Its name in folders and tables."""
        return f"{self.strategy}-{self.shots}" + (f"-B{self.background}" if self.background else "")
