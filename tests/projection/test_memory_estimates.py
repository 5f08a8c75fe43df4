from __future__ import annotations

from howfar.projection.moments import gram_columns, kept_moments, moment_rows, score_rows, subspace_columns


def test_without_a_budget_the_usual_number_is_taken() -> None:
    assert gram_columns(4096, 380, 380, 10**6, 1) == 4096
    assert moment_rows(2730, 768) == 2730
    assert score_rows(680, 20000, 768, 25) == 680
    assert subspace_columns(4096, 380, 10**6, 25, 4) == 4096


def test_kept_moments_are_a_scatter_and_a_mean_twice() -> None:
    assert kept_moments(768) == 2 * 8 * (768**2 + 768)
