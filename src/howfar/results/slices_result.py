"""Hold the results by slice: a dataset's images with the same value in a column, such as one camera or day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from howfar.results.records import Cells
from howfar.wording import format_interval, format_number, format_p, share, signed

EMPTY = "(empty)"
SMALL = "too small"
ENERGY = ("energy [95 % CI]", "p of energy")


@dataclass(frozen=True)
class DistanceSlice:
    """Hold the distances of one slice of a secondary dataset.

    `value` is what its images have in the column `column`, "" where the table leaves that empty. `o_dist_mean` is their mean
    I^dist in mean form, `relative` the same over the primary's self-distance, as of the dataset; `relative_ci` its 95 %
    bootstrap interval over the slice's images, the primary's held fixed; `beyond_95` the share of images whose percentile among
    the primary's own is above 95; `difference` the slice's `relative` less that of the rest of its dataset; `p_value` that of a
    permutation test of "this slice is as far as the rest", after Holm's correction over the column's slices, `p_value_raw`
    before it. `energy` is the slice's energy distance from the primary, with `energy_ci` and the p-values of its own test of
    the same, alike. None stands where a value is undefined, or the slice is `small`: too small to say anything.
    """

    dataset: str
    column: str
    value: str
    n: int
    o_dist_mean: float
    relative: float | None
    relative_ci: tuple[float, float] | None
    beyond_95: float | None
    difference: float | None
    p_value: float | None
    p_value_raw: float | None
    small: bool
    energy: float | None = None
    energy_ci: tuple[float, float] | None = None
    energy_p_value: float | None = None
    energy_p_value_raw: float | None = None


@dataclass(frozen=True)
class PerformanceSlice:
    """Hold the performance of one slice of a secondary dataset.

    `n` images are in the slice, `scored` of them have a performance, of `photographs` photographs (tiles of one are one).
    `mean` is their mean performance at the common threshold, `mean_ci` its 95 % bootstrap interval over photographs;
    `estimate` the mean of what is estimated for all its images without their labels; `listed` how many are listed as probable
    failures; `difference` the slice's mean performance less that of the rest of its dataset; `p_value` that of a permutation
    test of "this slice does as well as the rest" over photographs, after Holm's correction over the column's slices,
    `p_value_raw` before it. None stands where a value is undefined, or the slice is `small`: too small to say anything.
    """

    dataset: str
    column: str
    value: str
    n: int
    scored: int
    photographs: int
    mean: float | None
    mean_ci: tuple[float, float] | None
    estimate: float | None
    listed: int
    difference: float | None
    p_value: float | None
    p_value_raw: float | None
    small: bool


def distance_table(slices: Sequence[DistanceSlice]) -> Cells:
    """Return header and cells of slices by distance, for terminal and report."""
    header = ("slice", "dataset", "n", "relative [95 % CI]", "over 95th percentile", "less the rest", "p")
    # Slices that an earlier version made have none.
    known = any(each.energy is not None for each in slices)
    rows: list[tuple[str, ...]] = []
    for each in slices:
        distance = _with_interval(each.relative, each.relative_ci)
        far = "–" if each.beyond_95 is None else share(each.beyond_95)
        energy = (format_number(each.energy), SMALL if each.small else format_p(each.energy_p_value))
        if each.energy is not None and each.energy_ci is not None:
            low, high = (format_number(end) for end in each.energy_ci)
            energy = (f"{energy[0]} [{low}, {high}]", energy[1])
        numbers = (str(each.n), distance, far, signed(each.difference, 3), _p(each))
        rows.append((_name(each), each.dataset, *numbers, *(energy if known else ())))
    return (*header, *(ENERGY if known else ())), rows


def performance_table(slices: Sequence[PerformanceSlice]) -> Cells:
    """Return header and cells of slices by performance, for terminal and report."""
    header = ("slice", "dataset", "n", "scored", "mean [95 % CI]", "less the rest", "p", "estimate", "listed")
    rows: list[tuple[str, ...]] = []
    for each in slices:
        mean = _with_interval(each.mean, each.mean_ci)
        numbers = (str(each.n), str(each.scored), mean, signed(each.difference, 3), _p(each))
        rows.append((_name(each), each.dataset, *numbers, format_number(each.estimate, 3), str(each.listed)))
    return header, rows


def too_small(slices: Sequence[DistanceSlice | PerformanceSlice], fewest: int = 10) -> str:
    """State how many slices are too small, and by which rule; return "" if none is."""
    count = sum(each.small for each in slices)
    if not count:
        return ""
    of = "photographs" if any(isinstance(each, PerformanceSlice) for each in slices) else "images"
    has, stand = ("has", "stands") if count == 1 else ("have", "stand")
    return (
        f"{count} of {len(slices)} slices {has} fewer than {fewest} {of}, which is too small to say anything: "
        f"without interval and test, and {stand} last"
    )


def _name(each: DistanceSlice | PerformanceSlice) -> str:
    return f"{each.column} = {each.value or EMPTY}"


def _with_interval(value: float | None, ci: tuple[float, float] | None) -> str:
    low, high = ci or (None, None)
    return format_interval(value, low, high, ".3f")


def _p(each: DistanceSlice | PerformanceSlice) -> str:
    return SMALL if each.small else format_p(each.p_value)
