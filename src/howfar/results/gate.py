"""Hold what the gate says of a dataset: whether labelled datasets like it are known, so that an estimate may be believed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GateReading:
    """Hold one check of a dataset against the range of the labelled datasets.

    Attributes
    ----------
    check
        What is checked: "distance", "knn", "residual", "share", "scale", "size" or "tiles".
    value
        The dataset's value; None where it is not known.
    low, high
        The limits: the range of the labelled datasets and a margin beyond; None where that side has none.
    inside
        Whether the value lies in the range; None where it cannot be said.
    words
        The check in a sentence for a person.
    remedy
        What to do where the value lies outside; "" where it lies inside.
    beyond
        Where between the range of the labelled datasets (0) and the limit (1) the value lies; above 1 outside.
    """

    check: str
    value: float | None
    low: float | None
    high: float | None
    inside: bool | None
    words: str
    remedy: str = ""
    beyond: float = 0.0


@dataclass(frozen=True)
class Gate:
    """Hold every check of one dataset, the weightiest first."""

    dataset: str
    readings: tuple[GateReading, ...]

    @property
    def inside(self) -> bool | None:
        """Return whether no check lies outside; None where no check could be made."""
        known = [reading.inside for reading in self.readings if reading.inside is not None]
        return all(known) if known else None

    @property
    def beyond(self) -> float:
        """Return how far the farthest check lies from the range of the labelled datasets (0) to its limit (1), or beyond."""
        return max((reading.beyond for reading in self.readings), default=0.0)

    @property
    def outside(self) -> tuple[GateReading, ...]:
        """Return the checks that lie outside the labelled range."""
        return tuple(reading for reading in self.readings if reading.inside is False)

    def warning(self) -> str:
        """Say in one line why an estimate is not to be believed, and what to do; "" where no check lies outside.

        Examples
        --------
        >>> far = GateReading("distance", 1.41, 1.0, 1.21, False, "farther than anything labelled")
        >>> Gate("highway", (far,)).warning()
        'highway: farther than anything labelled'
        """
        if not self.outside:
            return ""
        remedies = dict.fromkeys(reading.remedy for reading in self.outside if reading.remedy)
        words = f"{self.dataset}: {'; '.join(reading.words for reading in self.outside)}"
        return f"{words}: {'; or '.join(remedies)}" if remedies else words
