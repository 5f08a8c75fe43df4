"""Put the answer about a site into plain sentences that can be read alone."""

from __future__ import annotations

from collections.abc import Iterable

from howfar.numbers import percentage_of, says_nothing
from howfar.results import Failures, SetEstimate
from howfar.results.assessment import Basis, OwnScore
from howfar.results.gate import Gate

CHANGES = 0.02
"""From this change of the mean performance on, another threshold is worth a word."""


def own_words(own: OwnScore, primary: str, performance_name: str) -> str:
    """Say what the model scores on the primary's held-out images, at which threshold, and what another would change.

    Examples
    --------
    >>> own_words(OwnScore(30, 0.812, 0.46, "the checkpoint's", 0.815, 0.61), "roads", "F")
    "On 30 held-out images of roads the model scores F 0.81, at threshold 0.46 (the checkpoint's)."
    """
    images = "image" if own.n == 1 else "images"
    said = f"On {own.n} held-out {images} of {primary} the model scores {performance_name} {own.performance:.2f}"
    if own.threshold is None:
        return f"{said}."
    said = f"{said}, at threshold {own.threshold:.2f} ({own.source})"
    if own.best is None or own.best_threshold is None or own.best - own.performance < CHANGES:
        return f"{said}."
    return f"{said}; at {own.best_threshold:.2f}, the best for these images, it would score {own.best:.2f}."


def answer(
    site: str,
    estimate: SetEstimate | None,
    gate: Gate | None,
    listed: Failures | None,
    held: tuple[int, int],
    tau: float,
    kind: str,
    performance_name: str = "F",
    measured: tuple[int, int] = (0, 0),
) -> str:
    """Say what is expected of a site, how sure that is, and how many of its images probably fail.

    Parameters
    ----------
    site
        Its name.
    estimate, gate, listed
        What is expected, the checks, and the list of probable failures; None where there is none.
    held
        How many intervals of datasets whose labels were hidden held, and of how many.
    tau
        Performance below which an image counts as failed.
    kind
        What these datasets are, in the plural.
    performance_name
        What performance is called: F, accuracy, F1.
    measured
        On how many of the site's images performance was measured, and how many it has.

    Examples
    --------
    >>> expected = SetEstimate("masonry", "consensus", 80, 0.58, 0.49, 0.67, 0.9, None)
    >>> answer("masonry", expected, None, None, (4, 5), 0.5, "labelled sites")
    'masonry: expected F 0.58 [0.49, 0.67] (90 %; with their labels hidden, such intervals held 4 of 5 labelled sites).'
    """
    if estimate is None:
        return f"{site}: {performance_name} is not known; too few datasets are labelled."
    if estimate.measured is not None:
        beyond = "" if gate is None or not gate.outside else f" It lies outside the other labelled datasets. {_reasons(gate)}."
        return f"{_measured(site, estimate, performance_name, measured)}{beyond}"
    if gate is not None and gate.inside is False:
        return f"{site}: do not believe an estimate. {_reasons(gate)}."
    if says_nothing(estimate.low, estimate.high):
        wide = f"{_interval(estimate)}, {percentage_of(estimate.level)}"
        return f"{site}: {performance_name} is not known yet ({wide}). A labelled site, or labels of this one, would narrow it."
    sentences = [f"{site}: {_expected(estimate, held, kind, performance_name)}", *_unchecked(gate)]
    if listed is not None and listed.listed:
        verb = "fails" if listed.listed == 1 else "fail"
        sentences.append(f"{listed.listed} of {listed.n} images probably {verb} ({performance_name} below {tau:g}).")
    elif listed is not None:
        rate = percentage_of(listed.error_rate)
        sentences.append(
            f"No list of failing images ({performance_name} below {tau:g}) can be given with at most {rate} of it wrong."
        )
    return " ".join(sentences)


def _unchecked(gate: Gate | None) -> list[str]:
    """Say which checks of the gate could not be made."""
    if gate is None:
        return []
    if gate.inside is None:
        return ["The gate could check nothing."]
    unknown = [reading.check for reading in gate.readings if reading.inside is None]
    return [f"The gate could not check {', '.join(unknown)}."] if unknown else []


def _expected(estimate: SetEstimate, held: tuple[int, int], kind: str, performance_name: str) -> str:
    how_often = f"; with their labels hidden, such intervals held {held[0]} of {held[1]} {kind}" if held[1] else ""
    expected = f"expected {performance_name} {estimate.predicted:.2f} {_interval(estimate)}"
    return f"{expected} ({percentage_of(estimate.level)}{how_often})."


def _interval(estimate: SetEstimate) -> str:
    return f"[{estimate.low:.2f}, {estimate.high:.2f}]"


def _measured(site: str, estimate: SetEstimate, performance_name: str, measured: tuple[int, int]) -> str:
    scored, images = measured
    on = f" on {scored} of {images} images" if scored else ""
    said = f"{site}: {performance_name} {estimate.measured:.2f} measured{on}."
    if says_nothing(estimate.low, estimate.high):
        return f"{said} Without its labels it would not have been known."
    held = "held" if estimate.held else "did not hold"
    return f"{said} Without its labels {estimate.predicted:.2f} {_interval(estimate)} would have been expected, which {held}."


def _reasons(gate: Gate) -> str:
    """Give the weightiest reason with its numbers, and name the others."""
    first, *others = (reading.words for reading in gate.outside)
    also = f"; also {', and '.join(words.partition(' (')[0] for words in others)}" if others else ""
    return f"{first[:1].upper()}{first[1:]}{also}"


def basis_note(basis: Basis, corrupted: int, primary: str, blank: Iterable[str] = ()) -> str:
    """Say plainly that an answer rests on corrupted versions of the primary's own images; "" where it rests on labelled sites.

    Examples
    --------
    >>> basis_note("sites", 22, "roads")
    ''
    >>> basis_note("corrupted", 22, "roads")[:86]
    'No site is labelled: estimates are learnt from 22 corrupted versions of images of road'
    """
    if basis != "corrupted":
        return ""
    none = "No site is labelled" + "".join(f" but {name}, without foreground" for name in blank)
    return (
        f"{none}: estimates are learnt from {corrupted} corrupted versions of images of {primary}, which are like "
        "each other, so that intervals promise less for a real site. Label a site to be surer."
    )
