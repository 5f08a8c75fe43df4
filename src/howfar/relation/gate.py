"""Decide whether a dataset is similar enough to the labelled datasets to trust an estimate, with reasons.

Distance does not tell the score: it tells when an estimate of the score may be believed. Every check sets one value of a new
dataset against the range of the labelled datasets, the primary dataset's own kind among them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array
from howfar.errors import InputError, check_choice, one_line
from howfar.formatting_and_escaping import format_number
from howfar.relation.labelled_images import Columns, column, rows
from howfar.results.relation_result import Gate, GateReading

TILE: Final = "predict by tiles: --tile"
CERTIFY: Final = "label 8: howfar certify SITE --predictions DIR -k 8"

Values: TypeAlias = Mapping[str, float | None]
"""Value of each check by its name; a check that is absent, None or not finite is not known."""


@dataclass(frozen=True)
class GateCheck:
    """Define one check: which column of a dataset is compared with the labelled datasets, by what margin, and its words.

    `above` and `below` say how far beyond the labelled datasets' largest and smallest value a dataset may lie, as a share of
    that value; None for no limit. With `typical` the median of the images is read, not their mean; of `positive` values 0 is
    unknown. `measures` and `unit` name the value, `larger` and `smaller` say what it means to lie above or below the range, and
    `by_tiles` whether predicting by tiles may bring the value back.
    """

    name: str
    column: str
    measures: str
    above: float | None
    below: float | None = None
    unit: str = ""
    larger: str = ""
    smaller: str = ""
    typical: bool = False
    positive: bool = False
    by_tiles: bool = False

    def read(self, values: Float64Array) -> float | None:
        """Compute the mean (or median) of the known values, or None; values below 0 are ignored, and 0 if not `positive`."""
        known = values[np.isfinite(values) & ((values > 0) if self.positive else (values >= 0))]
        if not len(known):
            return None
        value = float(np.median(known) if self.typical else np.mean(known))
        return math.sqrt(value) if self.name == "size" else value

    def limits(self, labelled: Mapping[str, float]) -> tuple[float | None, float | None]:
        """Compute the allowed range of a new dataset: the range of the labelled values, widened by the margins."""
        if not labelled:
            return None, None
        low, high = min(labelled.values()), max(labelled.values())
        return (None if self.below is None else low / (1 + self.below), None if self.above is None else high * (1 + self.above))

    def reading(self, value: float | None, labelled: Mapping[str, float], *, tiled: bool) -> GateReading:
        """Compare a value with the labelled datasets', with a remedy, which for `tiled` maps is not to predict by tiles."""
        low, high = self.limits(labelled)
        if value is None:
            return GateReading(self.name, value, low, high, None, f"{self.measures} is not known")
        measured = f"{self.measures} {self._text(value)}{self.unit}"
        if not labelled:
            return GateReading(self.name, value, low, high, None, f"{measured}, not known of a labelled dataset")
        least, most = min(labelled.values()), max(labelled.values())
        beyond = max(_towards(value, least, low), _towards(value, most, high))
        below = low is not None and value < low
        if below or (high is not None and value > high):
            side, end, limit = ("least", least, low) if below else ("most", most, high)
            meaning = self.smaller if below else self.larger
            words = f"{meaning} ({measured}; labelled sites: at {side} {self._text(end)}; limit: {self._text(limit)})"
            remedy = TILE if self.by_tiles and not tiled else CERTIFY
            return GateReading(self.name, value, low, high, False, words, remedy, beyond)
        span = " to ".join(dict.fromkeys((self._text(least), self._text(most))))
        ends = (f"{word} {self._text(limit)}" for word, limit in (("above", low), ("below", high)) if limit is not None)
        words = f"{measured}, as it should be {' and '.join(ends)} (labelled {span})"
        return GateReading(self.name, value, low, high, True, words, "", beyond)

    def _text(self, value: float | None) -> str:
        return "–" if value is None else f"{100 * value:.3g} %" if self.name == "share" else format_number(value, 3)


CHECKS: Final = (
    GateCheck(
        "distance",
        "i_dist",
        "relative distance in the primary's own PCA",
        0.1,
        larger="farther from the primary than any labelled site",
    ),
    GateCheck(
        "knn",
        "knn",
        "relative distance from the nearest images",
        0.25,
        larger="farther from the nearest primary images than any labelled site",
    ),
    GateCheck(
        "residual",
        "residual",
        "relative reconstruction error",
        0.1,
        larger="its features fit the primary's PCA less well than those of any labelled site",
    ),
    GateCheck(
        "share",
        "predicted_foreground",
        "predicted foreground",
        0.5,
        unit=" of the pixels",
        larger="more foreground predicted on average than on any labelled site",
    ),
    GateCheck(
        "scale",
        "foreground_width",
        "mean distance of a predicted foreground pixel from the background",
        0.5,
        below=0.5,
        unit=" px",
        larger="predicted structures wider than on any labelled site",
        smaller="predicted structures thinner than on any labelled site",
        positive=True,
        by_tiles=True,
    ),
    GateCheck(
        "size",
        "pixels",
        "image side",
        1.5,
        unit=" px",
        larger="images larger than on any labelled site",
        typical=True,
        positive=True,
        by_tiles=True,
    ),
    GateCheck(
        "tiles",
        "tile_agreement",
        "Dice of whole and tiled maps",
        None,
        below=0.5,
        smaller="whole-image and tiled maps agree less than on any labelled site",
        by_tiles=True,
    ),
)
"""Every check, the weightiest first. The margins are those of docs/concepts/gate.md, found by leaving labelled sets out."""


def values_of(columns: Columns) -> dict[str, float | None]:
    """Compute the value of every check from the columns of a dataset's images; columns may be absent.

    The values are means over the images, but for the size, the square root of the median number of pixels. An image that lacks
    a column (NaN), or in which no structure is predicted, counts for nothing in that check. Columns are `i_dist` and `knn` (in
    units of the primary's self-distance), `residual` (in units of its mean leave-one-out residual,
    `howfar.distances.mahalanobis`), `predicted_foreground` (share of the pixels), `foreground_width` (pixels), `pixels` (of the
    whole image) and `tile_agreement` (Dice, `howfar.metrics.label_free_signals`). Raises `InputError` for columns of different
    lengths, or one that is not numeric.

    Examples
    --------
    >>> known = values_of({"i_dist": [1.0, 1.2], "pixels": [100.0, 400.0]})
    >>> known["distance"], known["size"], known["tiles"]
    (1.1, 15.811, None)
    """
    if not columns or not rows(columns):
        return dict.fromkeys(check.name for check in CHECKS)
    return {check.name: check.read(column(columns, check.column)) for check in CHECKS}


def values_by_set(columns: Columns, sets: ArrayLike) -> dict[str, dict[str, float | None]]:
    """Compute the value of every check for each of several datasets, from one table of their images.

    `sets` is (m,), the dataset that each image is of; all else is as in `values_of`. Raises `InputError` where a column does
    not fit.

    Examples
    --------
    >>> found = values_by_set({"i_dist": [1.0, 1.2, 1.5]}, ["roads", "roads", "walls"])
    >>> found["roads"]["distance"], found["walls"]["distance"]
    (1.1, 1.5)
    """
    of = np.asarray(sets).astype(np.str_)
    if of.shape != (rows(columns),):
        raise InputError.of("sets", f"must be one row of {rows(columns)} values, one an image", of.shape)
    return {
        str(name): values_of({key: np.asarray(values)[of == name] for key, values in columns.items()})
        for name in dict.fromkeys(of.tolist())
    }


@dataclass(frozen=True, eq=True)
class GateRange:
    """Hold the labelled datasets' known values of all checks, to compare new datasets with their range; made by `fit`."""

    sets: Mapping[str, Mapping[str, float]]

    def labelled(self, check: str) -> dict[str, float]:
        """Return a check's value for every labelled dataset where the value is known."""
        return {name: values[check] for name, values in self.sets.items() if check in values}

    def limits(self, check: str) -> tuple[float | None, float | None]:
        """Return a check's allowed range, low and high; None for a side without limit, or if no labelled value is known."""
        checks = {one.name: one for one in CHECKS}
        check_choice("check", check, checks)
        return checks[check].limits(self.labelled(check))

    def without(self, dataset: str) -> GateRange:
        """Return the range of the other labelled datasets, without this dataset."""
        return GateRange({name: values for name, values in self.sets.items() if name != dataset})

    def left_out(self, dataset: str, *, tiled: bool = False) -> Gate:
        """Check a labelled dataset against the other labelled datasets, as if it had no labels; see `read`."""
        return self.without(dataset).read(dataset, self.sets.get(dataset, {}), tiled=tiled)

    def read(self, dataset: str, values: Values, *, tiled: bool = False) -> Gate:
        """Check a dataset against the range of the labelled datasets; one reading a check that is known, the weightiest first.

        `values` is what `values_of` read of it. `tiled` says that its maps were predicted by tiles: the size of whole images
        then does not matter, and predicting by tiles is no remedy.

        Examples
        --------
        >>> known = fit({"own": {"distance": 1.0, "share": 0.08}, "roads": {"distance": 1.2, "share": 0.03}})
        >>> gate = known.read("highway", {"distance": 1.42, "share": 0.05})
        >>> gate.inside, [reading.check for reading in gate.outside]
        (False, ['distance'])
        >>> print(gate.outside[0].words.partition(" (")[0])
        farther from the primary than any labelled site
        """
        if not isinstance(values, Mapping):
            raise InputError.of("values", "must be a mapping of checks to values", type(values).__name__)
        known = _checked(values, "values", "must be at least 0")
        side, sides = known.get("size"), self.labelled("size")
        # Prediction by tiles makes sense for images over 1.5 times as large as the smallest labelled ones.
        small = side is not None and bool(sides) and side <= 1.5 * min(sides.values())
        readings = []
        for check in CHECKS:
            labelled = self.labelled(check.name)
            if (check.name in known or labelled) and not (check.name == "size" and tiled):
                readings.append(check.reading(known.get(check.name), labelled, tiled=tiled or small))
        return Gate(dataset, tuple(readings))

    def to_dict(self) -> dict[str, Any]:
        """Return the range as JSON values."""
        return {"sets": {name: dict(values) for name, values in self.sets.items()}}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> GateRange:
        """Rebuild the range from the values of `to_dict`; raises `InputError` for any other document."""
        try:
            return fit(document["sets"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"document must be that of a gate ({type(error).__name__}: {error})") from error


def fit(sets: Mapping[str, Values]) -> GateRange:
    """Learn the range of every check from the labelled datasets' values, given by dataset name.

    The range of a check runs from their smallest to their largest value, and its margin beyond, a fixed share of the value:
    with the two to seven datasets that anybody has labelled, no rule that learns the margin from them did better
    (docs/concepts/gate.md). The primary's own kind should always be among them: a distance and a residual of 1, and the rest of
    its held-out images. Raises `InputError` for a value that is not numeric, or below 0.

    Examples
    --------
    >>> known = fit({"own": {"distance": 1.0, "size": 160.0}, "roads": {"distance": 1.21, "size": None}})
    >>> [round(limit, 3) for limit in known.limits("distance") if limit is not None], known.labelled("size")
    ([1.331], {'own': 160.0})
    """
    if not isinstance(sets, Mapping) or not all(isinstance(values, Mapping) for values in sets.values()):
        raise InputError.of("sets", "must be a mapping of datasets to mappings of checks to values", type(sets).__name__)
    rule = "must hold values of at least 0"
    return GateRange({str(name): _checked(values, f"sets[{name}]", rule) for name, values in sets.items()})


def _towards(value: float, end: float, limit: float | None) -> float:
    """Compute how far a value lies beyond the labelled range: 0 within the range, 1 at the limit."""
    if limit is None or limit == end:
        return 0.0
    return max((value - end) / (limit - end), 0.0)


def _checked(values: Values, argument: str, rule: str) -> dict[str, float]:
    """Return the known values of the checks; raise `InputError` for one that is no number, or below 0."""
    known: dict[str, float] = {}
    for check in CHECKS:
        value = values.get(check.name)
        try:
            number = math.nan if value is None else float(value)
        except (TypeError, ValueError, OverflowError) as error:
            place = argument if argument.startswith("sets") else f"{argument}[{check.name}]"
            raise InputError.of(place, f"must hold numbers ({one_line(error)})", type(value).__name__) from error
        if math.isfinite(number):
            known[check.name] = number
    for name, number in known.items():
        if number < 0:
            raise InputError.of(argument, rule, f"{name} {number:g}")
    return known
