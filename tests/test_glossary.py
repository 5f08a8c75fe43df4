"""The glossary: every word once, every link leads somewhere, and what a page uses is found on it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from howfar.errors import UnknownNameError
from howfar.glossary import explain, glossary, terms_in

DOCS = Path(__file__).resolve().parents[1] / "docs"


def test_each_spelling_is_of_one_term():
    assert [word for word, count in Counter(s for term in glossary() for s in term.spellings).items() if count > 1] == []


def test_links_lead_somewhere():
    names = {term.name for term in glossary()}
    assert [(term.name, name) for term in glossary() for name in term.see if name not in names or name == term.name] == []
    assert [term.page for term in glossary() if not (DOCS / term.page).is_file()] == []


def test_a_text_is_sentences_and_short():
    for term in glossary():
        assert term.text.endswith("."), term.name
        assert 20 <= len(term.text) <= 300, term.name


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("Relative", "relative"),
        ("i_dist", "I^dist"),
        ("P", "primary dataset"),
        ("p", "p-value"),
        ("95 % ci", "interval"),
        *((word, word) for word in ("slope", "Spearman", "coverage", "AUROC", "AURC")),
        ("error, set", "error of an estimator"),
    ],
)
def test_a_word_is_found_by_any_spelling(word, name):
    assert explain(word).name == name


def test_an_unknown_word_is_one_line_with_the_nearest():
    with pytest.raises(UnknownNameError, match="no term named 'relativ'; did you mean relative"):
        explain("relativ")
    with pytest.raises(UnknownNameError, match="no term named 'zebra'; howfar explain lists all"):
        explain("zebra")


def test_terms_are_whole_words():
    assert [term.name for term in terms_in("The P of it. Mapping, Francs, so-called S-shaped")] == ["primary dataset"]
    assert [term.name for term in terms_in("ODS falls; the Gate is shut")] == ["ODS", "gate"]
    assert terms_in("nothing here is of a kind that needs words") == []
