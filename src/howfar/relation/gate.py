"""Check whether a dataset is similar enough to the labelled datasets to trust an estimate, with reasons in words.

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
from howfar.errors import InputError, one_line
from howfar.relation.image_columns import Columns, column, rows
from howfar.results.relation_result import Gate, GateReading
from howfar.wording import format_number

TILE: Final = "predict by tiles: --tile"
CERTIFY: Final = "label 8: howfar certify SITE --predictions DIR -k 8"

# What a check measures, with "{}" for its value, and its unit.
_MEASURES: Final = {
    "distance": ("distance", " times the primary's own"),
    "knn": ("distance from the nearest images", " times the primary's own distance"),
    "residual": ("distance off the primary's subspace", " times the primary's own"),
    "share": ("predicted foreground", " of the pixels"),
    "scale": ("mean distance of a foreground pixel from the background", " px"),
    "size": ("image side", " px"),
    "tiles": ("Dice of whole and tiled maps", ""),
}
# What it means to lie above, and below, the range.
_BEYOND: Final = {
    "distance": ("farther than anything labelled", ""),
    "knn": ("farther from its nearest primary images than anything labelled", ""),
    "residual": ("different from the primary in ways that nothing labelled is", ""),
    "share": ("more foreground predicted than on anything labelled", ""),
    "scale": ("structures wider than on anything labelled", "structures thinner than on anything labelled"),
    "size": ("images larger than anything labelled", ""),
    "tiles": ("", "whole images and their tiles agree less than on anything labelled"),
}
# Whether predicting by tiles may bring the value back, for values above and below the range.
_TILES: Final = ("scale", "size", "tiles")


def said(
    check: str,
    value: float | None,
    labelled: Mapping[str, float],
    low: float | None,
    high: float | None,
    side: int | None,
    *,
    tiled: bool,
) -> tuple[str, str]:
    """Describe the outcome of a check and its remedy, both in words.

    `side` is -1 below the range, 0 inside, 1 above, None where it cannot be said; a limit is None for a side without one;
    `tiled` says that predicting by tiles is no remedy, or was done already.
    """
    name, unit = _MEASURES[check]
    if value is None:
        return f"{name} is not known", ""
    measured = f"{name} {_number(check, value)}{unit}"
    if side is None:
        return f"{measured}, not known of a labelled dataset", ""
    known = f"labelled {_range(check, labelled)}"
    if side == 0:
        limits = " and ".join(
            f"{word} {_number(check, limit)}" for word, limit in (("above", low), ("below", high)) if limit is not None
        )
        return f"{measured}, as it should be {limits} ({known})", ""
    limit = high if side > 0 else low
    words = f"{_BEYOND[check][0 if side > 0 else 1]} ({measured}, {known}, limit {_number(check, limit)})"
    return words, TILE if check in _TILES and not tiled else CERTIFY


def _range(check: str, labelled: Mapping[str, float]) -> str:
    low, high = (_number(check, end(labelled.values())) for end in (min, max))
    return low if low == high else f"{low} to {high}"


def _number(check: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{100 * value:.3g} %" if check == "share" else format_number(value, 3)


Values: TypeAlias = Mapping[str, float | None]
"""Value of each check by its name; a check that is absent, None or not finite is not known."""


@dataclass(frozen=True)
class GateCheck:
    """Define one check: which column of a dataset is compared with the labelled datasets, and by what margin.

    `above` and `below` say how far beyond the labelled datasets' largest and smallest value a dataset may lie, as a share of
    that value; None for no limit. With `typical` the median of the images is read, not their mean.
    """

    name: str
    column: str
    above: float | None
    below: float | None = None
    typical: bool = False

    def read(self, values: Float64Array) -> float | None:
        """Compute the mean (or median) of the known values, or None; values below 0 are ignored, for scale and size also 0."""
        known = values[np.isfinite(values) & (values >= 0)]
        if self.name in _POSITIVE:
            known = known[known > 0]
        if not len(known):
            return None
        value = float(np.median(known) if self.typical else np.mean(known))
        return math.sqrt(value) if self.name == "size" else value

    def limits(self, labelled: Mapping[str, float]) -> tuple[float | None, float | None]:
        """Compute the allowed range of a new dataset: the range of the labelled values, widened by the margins."""
        if not labelled:
            return None, None
        low, high = min(labelled.values()), max(labelled.values())
        return (
            None if self.below is None else low / (1 + self.below),
            None if self.above is None else high * (1 + self.above),
        )


# A width of 0 is that of no structure, and an image without pixels is none.
_POSITIVE = ("scale", "size")

CHECKS: Final = (
    GateCheck("distance", "i_dist", above=0.1),
    GateCheck("knn", "knn", above=0.25),
    GateCheck("residual", "residual", above=0.1),
    GateCheck("share", "predicted_foreground", above=0.5),
    GateCheck("scale", "foreground_width", above=0.5, below=0.5),
    GateCheck("size", "pixels", above=1.5, typical=True),
    GateCheck("tiles", "tile_agreement", above=None, below=0.5),
)
"""Every check, the weightiest first. The margins are those of docs/concepts/gate.md, found by leaving labelled sets out."""


def values_of(columns: Columns, names: Mapping[str, str] | None = None) -> dict[str, float | None]:
    """Compute the value of every check from the columns of a dataset's images; columns may be absent.

    The values are means over the images, but for the size, the square root of the median number of pixels. An image that lacks
    a column (NaN), or in which no structure is predicted, counts for nothing in that check. Columns are `i_dist` and `knn` (in
    units of the primary's self-distance), `residual` (in units of its mean leave-one-out residual,
    `howfar.distances.mahalanobis`), `predicted_foreground` (share of the pixels), `foreground_width` (pixels), `pixels` (of the
    whole image) and `tile_agreement` (Dice, `howfar.metrics.label_free_signals`); `names` gives the column that a check reads,
    where that is another. Raises `InputError` for columns of different lengths, or one that is not numeric.

    Examples
    --------
    >>> known = values_of({"i_dist": [1.0, 1.2], "pixels": [100.0, 400.0]})
    >>> known["distance"], known["size"], known["tiles"]
    (1.1, 15.811, None)
    """
    renamed = names or {}
    if not columns or not rows(columns):
        return dict.fromkeys(check.name for check in CHECKS)
    return {check.name: check.read(column(columns, renamed.get(check.name, check.column))) for check in CHECKS}


def values_by_set(
    columns: Columns, sets: ArrayLike, names: Mapping[str, str] | None = None
) -> dict[str, dict[str, float | None]]:
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
        str(name): values_of({key: np.asarray(values)[of == name] for key, values in columns.items()}, names)
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
        if check not in checks:
            raise InputError.of("check", f"must be one of {', '.join(checks)}", check)
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
        >>> print(gate.outside[0].words)
        farther than anything labelled (distance 1.42 times the primary's own, labelled 1 to 1.2, limit 1.32)
        """
        if not isinstance(values, Mapping):
            raise InputError.of("values", "must be a mapping of checks to values", type(values).__name__)
        known = {check.name: _known(values.get(check.name), f"values[{check.name}]") for check in CHECKS}
        _check_not_negative(known, "values", "must be at least 0")
        readings = (self._reading(check, known[check.name], known, tiled) for check in CHECKS)
        return Gate(dataset, tuple(reading for reading in readings if reading is not None))

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

    def _reading(self, check: GateCheck, value: float | None, values: Values, tiled: bool) -> GateReading | None:
        labelled = self.labelled(check.name)
        if value is None and not labelled:
            return None
        if check.name == "size" and tiled:
            return None
        low, high = check.limits(labelled)
        side, beyond = None, 0.0
        if value is not None and labelled:
            side = -1 if low is not None and value < low else int(high is not None and value > high)
            beyond = max(_towards(value, min(labelled.values()), low), _towards(value, max(labelled.values()), high))
        words, remedy = said(check.name, value, labelled, low, high, side, tiled=tiled or not self._room(values))
        return GateReading(check.name, value, low, high, None if side is None else side == 0, words, remedy, beyond)

    def _room(self, values: Values) -> bool:
        """Return whether prediction by tiles makes sense: images are over 1.5 times as large as the smallest labelled ones."""
        side, labelled = values.get("size"), self.labelled("size")
        return side is None or not labelled or side > 1.5 * min(labelled.values())


def fit(sets: Mapping[str, Values]) -> GateRange:
    """Learn the range of every check from what `values_of` read of the labelled datasets, by name.

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
    learnt: dict[str, dict[str, float]] = {}
    if not isinstance(sets, Mapping) or not all(isinstance(values, Mapping) for values in sets.values()):
        raise InputError.of("sets", "must be a mapping of datasets to mappings of checks to values", type(sets).__name__)
    for name, values in sets.items():
        known = {check.name: _known(values.get(check.name), f"sets[{name}]") for check in CHECKS}
        _check_not_negative(known, f"sets[{name}]", "must hold values of at least 0")
        learnt[str(name)] = {check: value for check, value in known.items() if value is not None}
    return GateRange(learnt)


def _towards(value: float, end: float, limit: float | None) -> float:
    """Compute how far a value lies beyond the labelled range: 0 within the range, 1 at the limit."""
    if limit is None or limit == end:
        return 0.0
    return max((value - end) / (limit - end), 0.0)


def _check_not_negative(known: Values, argument: str, rule: str) -> None:
    for check, value in known.items():
        if value is not None and value < 0:
            raise InputError.of(argument, rule, f"{check} {value:g}")


def _known(value: float | None, argument: str) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError.of(argument, f"must hold numbers ({one_line(error)})", type(value).__name__) from error
    return number if math.isfinite(number) else None
