"""What is known of the paper's datasets: complete, consistent, and honest about what could not be verified."""

from __future__ import annotations

import pytest

from howfar.data.catalogue import NOT_VERIFIED, CatalogueEntry, catalogue, entry
from howfar.data.variations import variations
from howfar.errors import UnknownNameError

ENTRIES = {candidate.name: candidate for candidate in catalogue()}


def test_the_papers_symbols_and_counts() -> None:
    counts = {candidate.symbol: candidate.images for candidate in catalogue() if candidate.symbol}
    assert counts == {"P": 260, "S_1": 315, "S_2": 100, "S_3": 509, "S_4": 118, "S_5": 500, "S_6": 500}
    assert set(ENTRIES) >= {"rissbilder", "eugen_muller", "noncrack", "sun397", "places365", "finegpr"}


@pytest.mark.parametrize("candidate", catalogue(), ids=lambda candidate: candidate.name)
def test_each_entry_says_what_a_reader_needs(candidate: CatalogueEntry) -> None:
    for text in (candidate.title, candidate.what, candidate.layout, candidate.citation):
        assert text.strip()
    assert candidate.masks in ("needed", "available", "none")
    assert candidate.where
    assert candidate.used_in
    assert all(address.startswith(("https://", "http://")) for address in candidate.where)
    assert all(place.startswith(("table", "figure")) for place in candidate.used_in)
    assert bool(candidate.licence) == bool(candidate.licence_source)
    assert all(len(size) == 2 and min(size) > 100 for size in candidate.sizes)
    if candidate.prefix:
        assert f"{candidate.prefix}*" in candidate.layout


def test_terms_that_no_page_stated_are_said_to_be_unverified() -> None:
    assert entry("rissbilder").terms == NOT_VERIFIED
    assert "research" in entry("sun397").terms


def test_the_fifty_categories_of_table_7() -> None:
    categories = entry("sun397").categories
    assert len(set(categories)) == 50
    assert list(categories) == sorted(categories)
    assert {"field", "house", "bookstore", "kitchen", "toyshop"} <= set(categories)


def test_the_variations_are_those_that_names_are_read_as() -> None:
    assert list(entry("finegpr").variations) == list(variations([]))


def test_a_name_is_known_whatever_its_capitals_and_a_miss_names_the_nearest() -> None:
    assert entry("BSDS500") is ENTRIES["bsds500"]
    with pytest.raises(UnknownNameError, match=r"no dataset of the paper named 'bsd500'; known: .*did you mean 'bsds500'\?$"):
        entry("bsd500")
