"""Say in words whether distances tell persons apart, what a perturbation changes, and when that misleads."""

from __future__ import annotations

from typing import Any

from howfar.numbers import share
from howfar.report.identity.tables import points
from howfar.report.text import listing, plural
from howfar.results.identity import PLAIN, Identity


def lead(result: Identity) -> str:
    """Say how many pairs are violated by each backbone, images as they are."""
    plain = result.claims[result.claims["perturbation"] == PLAIN]
    by_backbone = [f"{_span(plain[plain['backbone'] == name].to_dict('records'))} by {name}" for name in result.backbones]
    by_backbone[0] = by_backbone[0].replace(" by ", " of the pairs by ")
    blind = sorted(float(value) for value in plain["blind"])
    span = share(blind[0]) if share(blind[0]) == share(blind[-1]) else f"{share(blind[0])} to {share(blind[-1])}"
    return (
        f"Another of {len(result.persons)} persons is at least as near as the same one in {listing(by_backbone, 8)}; distances "
        f"that see what varies and not the person would give {span}."
    )


def sentences(result: Identity) -> list[str]:
    """Say where the paper's claim holds wholly, and what each perturbation changes."""
    plain = result.claims[result.claims["perturbation"] == PLAIN].to_dict("records")
    whole = [f"{row['backbone']} under {row['variation']}" for row in plain if row["holding"] == row["references"]]
    cases = f"{len(plain)} combination{plural(len(plain))} of a backbone and a variation"
    held = f"for {listing(whole, 6)}" if whole else "for none"
    first = f"Of {cases} the claim of equations 9 to 11 holds from every primary set {held}."
    return [first, *(_changed(result, name) for name in result.perturbations[1:])]


def violated_in_words(result: Identity, backbone: str, perturbation: str) -> str:
    """Give the share of violated pairs of each variation, over all primary sets, for those who do not see the figure."""
    rows = result.claims[(result.claims["backbone"] == backbone) & (result.claims["perturbation"] == perturbation)]
    shares = [f"{row['variation']} {share(row['violated'])}" for row in rows.to_dict("records")]
    images = "images as they are" if perturbation == PLAIN else f"images with {perturbation}"
    return f"{backbone}, {images}, violated pairs over all primary sets: {', '.join(shares)}."


def limits(result: Identity) -> list[str]:
    """Say when the numbers mislead."""
    over = set(result.claims["interval_over"])
    lines = []
    if "primary sets" in over:
        lines.append(
            "Intervals over primary sets draw the sets that distances are measured from anew, within each person: they say how "
            "much the numbers depend on which values were primary, and nothing of other persons, for whom there are too few."
        )
    if "persons" in over:
        lines.append(
            "Intervals over persons draw those whom distances are measured from anew, each with all sets; whom they are "
            "compared with stays as it is."
        )
    lines.append(
        "Images are not drawn anew: sets are compared that hold the same conditions but for one, and draws of images, which "
        "mix the conditions, would add violated pairs that are not there."
    )
    if result.projection == "pair":
        lines.append("Each pair of sets has a subspace of its own (the paper's way), so that two violins are not in one space.")
    lines.append(
        "A backbone that sees clothes or colours alone tells persons apart who do not change them: pixels and colour moments "
        "beside it show how much of the margin that is."
    )
    return lines


def _span(rows: list[dict[Any, Any]]) -> str:
    """Write the smallest and the largest share of violated pairs over variations."""
    ordered = sorted(rows, key=lambda row: float(row["violated"]))
    low, high = ordered[0], ordered[-1]
    if len(rows) == 1 or share(low["violated"]) == share(high["violated"]):
        return share(high["violated"])
    return f"{share(low['violated'])} ({low['variation']}) to {share(high['violated'])} ({high['variation']})"


def _changed(result: Identity, perturbation: str) -> str:
    """Say under which backbones and variations a perturbation changes the share of violated pairs beyond its interval."""
    rows = result.claims[result.claims["perturbation"] == perturbation].to_dict("records")
    more = [_change(row) for row in rows if row["change_low"] > 0]
    less = [_change(row) for row in rows if row["change_high"] < 0]
    rest = len(rows) - len(more) - len(less)
    parts = [f"raises the share of violated pairs for {listing(more, 6)}"] if more else []
    parts += [f"lowers {'it' if more else 'the share of violated pairs'} for {listing(less, 6)}"] if less else []
    if not parts:
        largest = _change(max(rows, key=lambda row: float(abs(row["change"]))))
        every = f"Every interval of a change of the share of violated pairs by {perturbation} holds 0"
        return f"{every}; the largest change is {largest}."
    others = f"; the intervals of {rest} other change{plural(rest)} hold 0"
    return f"In percentage points, {perturbation} {' and '.join(parts)}{others if rest else ''}."


def _change(row: dict[Any, Any]) -> str:
    interval = f" [{points(row['change_low'])}, {points(row['change_high'])}]" if row["change_low"] == row["change_low"] else ""
    return f"{row['backbone']} under {row['variation']} ({points(row['change'])}{interval})"
