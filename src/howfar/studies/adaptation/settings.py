"""Check the settings of an adaptation study, and list the models that they ask for."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from howfar import options
from howfar.errors import InputError
from howfar.keywords import AdaptOptions
from howfar.selection import named

ANEW, TUNED = "anew", "tuned"
RANDOM = "random"
RETRAIN = "retrain"


class AdaptSettings(BaseModel):
    """Hold the settings of an adaptation study that say which models are trained."""

    model_config = ConfigDict(frozen=True)

    shots: options.Shots
    strategies: options.Strategies
    seeds: options.Seeds
    random_seeds: options.RandomSeeds
    background_shots: options.BackgroundShots
    pool: options.PoolShare
    start: options.Start
    way: options.Way = RETRAIN
    without_labels: options.WithoutLabels = ()
    components: options.Components
    bootstrap: options.Bootstrap
    group: options.Group

    @classmethod
    def of(cls, given: AdaptOptions) -> AdaptSettings:
        """Make settings of checked options, and check them together.

        Raises `InputError` with the setting, the rule and the value; `UnknownNameError` where there is no such strategy.
        """
        own = {name: given.get(name) for name in cls.model_fields}
        settings = cls(**{**own, "pool": given["pool_share"]})  # type: ignore[arg-type]  # the options are checked
        for name, values in (
            *((name, getattr(settings, name)) for name in ("shots", "background_shots", "strategies")),
            ("seeds and random_seeds", (*settings.seeds, *settings.random_seeds)),
        ):
            if len(set(values)) < len(values):
                raise InputError.of(name, "must not repeat one", list(values))
        if settings.random_seeds and RANDOM not in settings.strategies:
            raise InputError.of("random_seeds", "are of use only where random is a strategy", list(settings.random_seeds))
        for name in ("shots", "background_shots"):
            if min((*getattr(settings, name), 1)) < 1:
                remedy = "the models without any are always trained"
                raise InputError.of(name, "must be at least 1", list(getattr(settings, name)), remedy)
        for strategy in settings.strategies:
            named(strategy)
        settings._check_ways()
        return settings

    def check_given(self, blind: bool, background: bool) -> None:
        """Refuse background's shots without it, and ways that learn from the images of what is scored whole."""
        from howfar.adaptation import steps_of

        if self.background_shots and not background:
            raise InputError.of("background_shots", "are of no use without background", list(self.background_shots))
        whole = [name for name, given in (("blind", blind), ("background", background)) if given]
        for way in (self.way, *self.without_labels):
            for name in whole:
                if any(step.learns_from_site for step in steps_of(way)):
                    rule = f"must not be given with {way}, which would learn from the images that are scored"
                    raise InputError.of(name, rule, "some", f"leave {name} out, or {way}")

    def _check_ways(self) -> None:
        from howfar.adaptation import steps_of  # with torch, which whoever only names an arm does not need

        steps_of(self.way)
        if self.start == TUNED and self.way != RETRAIN:
            rule = f"must be {ANEW} where the way is not {RETRAIN}"
            raise InputError.of("start", rule, self.start, "leave it out: the way says what training begins with")
        learning = [way for way in (self.way, *self.without_labels) if any(step.learns_from_site for step in steps_of(way))]
        if learning and self.pool is None:
            rule = f"must be given for {learning[0]}, which learns from unlabelled images that may not be scored too"
            raise InputError.of("pool_share", rule, None, "pass 0.5")
        read = False
        for step in steps_of(self.way):
            if read and step.needs != "images":
                rule = f"must do {step.name} first, which learns from the labels of all datasets together"
                raise InputError.of("way", rule, self.way, "put ways that read unlabelled images last")
            read = step.needs == "images"
        for way in self.without_labels:
            if any(step.needs == "labels" for step in steps_of(way)):
                raise InputError.of("without_labels", "must be ways that need no label", way, "pass it as way")

    def arms(self, seed: int | None = None) -> tuple[Arm, ...]:
        """List every adapted model, or a seed's: without labels, strategies by shots, background on the most shots.

        Examples
        --------
        >>> from howfar.settings import checked
        >>> given = {"strategies": ("far", "random"), "shots": (1, 7), "background_shots": (3,)}
        >>> [arm.label for arm in AdaptSettings.of(checked(AdaptOptions, given)).arms()]
        ['norm', 'far-1', 'far-7', 'random-1', 'random-7', 'far-7-B3', 'random-7-B3']
        """
        strategies = self.strategies if seed is None else self.strategies_of(seed)
        zero = [Arm(None, 0, way=way) for way in self.without_labels]
        plain = [Arm(strategy, shots, way=self.way) for strategy in strategies for shots in self.shots]
        most = max(self.shots)
        blank = [Arm(strategy, most, count, self.way) for strategy in strategies for count in self.background_shots]
        return (*zero, *plain, *blank)

    def strategies_of(self, seed: int) -> tuple[str, ...]:
        """Return the strategies that choose in this seed."""
        return (RANDOM,) if seed in self.random_seeds else tuple(self.strategies)

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """Return the seeds of all strategies, then those of random alone."""
        return (*self.seeds, *self.random_seeds)


@dataclass(frozen=True)
class Arm:
    """Describe an adapted model: by a way, from `shots` images of each secondary that a strategy chose, and `background` ones.

    Without a strategy there are no labelled images.
    """

    strategy: str | None
    shots: int
    background: int = 0
    way: str = RETRAIN

    @property
    def label(self) -> str:
        """Return the model's name in folders and tables; the way of labelled images is the study's, and not in it."""
        if self.strategy is None:
            return self.way
        return f"{self.strategy}-{self.shots}" + (f"-B{self.background}" if self.background else "")
