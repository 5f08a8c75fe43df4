from __future__ import annotations

import pytest

from howfar.wording import format_number, format_p, p_text, share, signed, times


@pytest.mark.parametrize(
    ("value", "text"), [(1.23456, "1.235"), (123456.0, "123,456"), (None, "–"), (0.00001234567, "1.235e-05")]
)
def test_a_number_has_four_significant_digits(value, text):
    assert format_number(value) == text


@pytest.mark.parametrize(("value", "text", "equal"), [(0.0001, "<0.001", "p < 0.001"), (0.20049, "0.200", "p = 0.200")])
def test_a_small_p_value_is_below_a_thousandth(value, text, equal):
    assert (format_p(value), p_text(value), format_p(None)) == (text, equal, "–")


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(0.123, 2, "+0.12"), (-0.5, 2, "−0.50"), (-0.001, 2, "0.00"), (-0.0123, 3, "−0.012"), (None, 2, "–")],
)
def test_a_change_that_rounds_to_nothing_has_no_sign(value, decimals, text):
    assert signed(value, decimals) == text


@pytest.mark.parametrize(("value", "text"), [(1.104, "1.10×"), (0.5, "0.50×"), (23.46, "23.5×")])
def test_a_ratio_has_three_digits(value, text):
    assert times(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.143, "14 %"), (0.0, "0 %"), (0.0004, "under 1 %"), (0.9996, "over 99 %"), (1.0, "100 %"), (0.005, "under 1 %")],
)
def test_a_share_between_none_and_all_is_neither(value, text):
    assert share(value) == text
