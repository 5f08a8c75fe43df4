"""Estimate the memory that a projection needs, and how many columns or rows it may then take at a time."""

from __future__ import annotations

from howfar.memory import at_a_time

DOUBLE, SINGLE = 8, 4
# Scores are held up to four times: as computed, of P and S together, with their signs, and each alone.
_SCORES = 4


def gram_columns(usual: int, n: int, m: int, q: int, layers: int, itemsize: int = DOUBLE) -> int:
    """Compute how many columns of inner products of n and m images to take at a time; m = 0 is one dataset alone.

    Held are the sums of a layer each, a block's own product, layers taken together, what is kept of P, and means and centres.
    """
    rows = n + m
    squares = (layers + 2 + (layers > 1)) * rows**2 + layers * n**2
    held = DOUBLE * squares + 2 * (DOUBLE + SINGLE) * q
    # Two blocks in turn, and what is read for the next of them.
    return at_a_time(usual, rows * (2 * itemsize + SINGLE) + 64, held, f"the inner products of {rows:,} images")


def moment_rows(usual: int, q: int, itemsize: int = DOUBLE) -> int:
    """Compute how many rows of q features to take at a time for their moments.

    Held are P's and S's scatter, a block's own product, both taken together, and what the eigenvectors are computed from.
    """
    held = DOUBLE * (6 * q**2 + 8 * q)
    return at_a_time(usual, q * (2 * itemsize + SINGLE), held, f"the moments of {q:,} features")


def score_rows(usual: int, rows: int, q: int, z: int) -> int:
    """Compute how many of `rows` rows to project at a time on z of q dimensions."""
    held = DOUBLE * (_SCORES * rows * z + q * z)
    return at_a_time(usual, q * (2 * DOUBLE + SINGLE) + DOUBLE * z, held, f"{z:,} components of {rows:,} images")


def subspace_columns(usual: int, n: int, q: int, z: int, itemsize: int) -> int:
    """Compute how many columns to take at a time of the axes that belong to inner products of n images."""
    held = itemsize * q * z + 2 * (DOUBLE + SINGLE) * q + DOUBLE * (3 * n**2 + 4 * n * z)
    return at_a_time(usual, n * (DOUBLE + SINGLE) + 2 * DOUBLE * z, held, f"a subspace of {q:,} features")


def kept_moments(q: int) -> int:
    """Compute the bytes of the primary dataset's moments, kept for further secondaries: as summed, and in float64."""
    return 2 * DOUBLE * (q**2 + q)
