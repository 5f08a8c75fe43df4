"""Put the answer about a site into plain sentences that can be read alone."""

from __future__ import annotations

from howfar.numbers import percentage_of
from howfar.results import Failures, SetEstimate
from howfar.results.assessment import Basis
from howfar.results.gate import Gate

ALONE, WITH_FOUR = 0.040, 0.031
"""Mean absolute error of a set's mean F, learnt from corrupted sets alone, and from four labelled ones (benchmarks)."""
NOTHING = 0.8
"""An interval as long as this says nothing."""
NO_INTERVAL = "too few datasets are labelled for an interval that says anything"


def answer(
    site: str,
    estimate: SetEstimate | None,
    gate: Gate | None,
    listed: Failures | None,
    held: tuple[int, int],
    tau: float,
    kind: str,
) -> str:
    """Say what a site will score, how sure that is, and how many of its images probably fail.

    Parameters
    ----------
    site
        Its name.
    estimate, gate, listed
        What is expected, the checks, and the list of probable failures; None where there is none.
    held
        How many intervals of datasets that were left out held, and of how many.
    tau
        Performance below which an image counts as failed.
    kind
        What the datasets that were left out are, in the plural.

    Examples
    --------
    >>> expected = SetEstimate("masonry", "boosted", 80, 0.58, 0.49, 0.67, 0.9, None)
    >>> answer("masonry", expected, None, None, (4, 5), 0.5, "labelled sets")
    'masonry: F 0.58 expected, 0.49 to 0.67 (90 %; such intervals held 4 of 5 labelled sets).'
    """
    if estimate is None:
        return f"{site}: nothing can be said of its F; too few datasets are labelled."
    if estimate.measured is not None:
        beyond = "" if gate is None or not gate.outside else f" It lies outside the other labelled datasets. {_reasons(gate)}."
        return f"{_measured(site, estimate)}{beyond}"
    if gate is not None and gate.inside is False:
        return f"{site}: do not believe an estimate. {_reasons(gate)}."
    sentences = [f"{site}: {_expected(estimate, held, kind)}"]
    if gate is not None and gate.inside is None:
        sentences.append("Whether labelled datasets are like it is not known.")
    if listed is not None and listed.listed:
        verb = "fails" if listed.listed == 1 else "fail"
        sentences.append(f"{listed.listed} of {listed.n} images probably {verb} (F below {tau:g}).")
    elif listed is not None:
        sentences.append(f"None of {listed.n} images can be said to fail (F below {tau:g}).")
    return " ".join(sentences)


def _expected(estimate: SetEstimate, held: tuple[int, int], kind: str) -> str:
    expected = f"F {estimate.predicted:.2f} expected"
    if says_nothing(estimate):
        return f"{expected}; {NO_INTERVAL}."
    how_often = f"; such intervals held {held[0]} of {held[1]} {kind}" if held[1] else ""
    return f"{expected}, {estimate.low:.2f} to {estimate.high:.2f} ({percentage_of(estimate.level)}{how_often})."


def _measured(site: str, estimate: SetEstimate) -> str:
    assert estimate.measured is not None  # for the type checker: the caller has asked
    said = f"{site}: F {estimate.measured:.2f} measured. Without its labels {estimate.predicted:.2f} would have been expected"
    if says_nothing(estimate):
        return f"{said}; {NO_INTERVAL}."
    held = "held" if estimate.held else "did not hold"
    return f"{said}, {estimate.low:.2f} to {estimate.high:.2f} ({percentage_of(estimate.level)}), which {held}."


def says_nothing(estimate: SetEstimate) -> bool:
    """Tell whether an interval is so long that it says nothing: that it holds the truth is no merit then."""
    return estimate.high - estimate.low >= NOTHING


def _reasons(gate: Gate) -> str:
    """Give the weightiest reason with its numbers, and name the others."""
    first, *others = (reading.words for reading in gate.outside)
    also = f"; also {', and '.join(words.partition(' (')[0] for words in others)}" if others else ""
    return f"{first[:1].upper()}{first[1:]}{also}"


def basis_note(basis: Basis, sites: int, corrupted: int, primary: str) -> str:
    """Say plainly that an answer rests on corrupted versions of the primary's own images, and how much worse that was measured.

    Returns "" where it rests on labelled sites.

    Examples
    --------
    >>> basis_note("sites", 4, 0, "roads")
    ''
    >>> basis_note("corrupted", 0, 22, "roads")[:86]
    'No foreign set is labelled: the answers rest on 22 corrupted versions of images of roa'
    """
    if basis == "sites":
        return ""
    labelled = "No foreign set is" if not sites else f"Only {sites} foreign set{'s are' if sites > 1 else ' is'}"
    return (
        f"{labelled} labelled: the answers rest on {corrupted} corrupted versions of images of {primary}. On five crack sets "
        f"estimates so made missed a set's mean F by {ALONE:.3f}, and by {WITH_FOUR:.3f} where four labelled sets took their "
        "place. Corrupted sets are like each other: that their intervals held promises less for a real site. Label a site to "
        "be surer."
    )
