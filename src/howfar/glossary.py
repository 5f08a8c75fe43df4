"""Look up and explain the terms of howfar's tables and reports, defined in ``glossary.toml``."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from howfar.errors import UnknownNameError

FILE = Path(__file__).with_suffix(".toml")


@dataclass(frozen=True)
class Term:
    """Hold a word, its other spellings, what it means, how it is computed, and where the documentation says more."""

    name: str
    text: str
    page: str
    also: tuple[str, ...] = ()
    formula: str = ""
    see: tuple[str, ...] = ()

    @property
    def spellings(self) -> tuple[str, ...]:
        """Return all spellings, the name first."""
        return (self.name, *self.also)


@cache
def glossary() -> tuple[Term, ...]:
    """Read all terms, in the order of the file."""
    terms: list[Term] = []
    for entry in _file()["term"]:
        fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
        terms.append(Term(**fields))
    return tuple(terms)


@cache
def names() -> tuple[Term, ...]:
    """Read the names and column heads that are explained too: strategies, estimators, scores and columns of tables."""
    return tuple(Term(name, text, page) for page, texts in _file()["names"].items() for name, text in texts.items())


@cache
def _file() -> Mapping[str, Any]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


@cache
def _by_spelling() -> Mapping[str, Term]:
    terms = (*glossary(), *names())
    return {_folded(spelling): term for term in reversed(terms) for spelling in reversed(term.spellings)}


def explain(word: str) -> Term:
    """Find the term of a word, whatever its case, by any of its spellings; `UnknownNameError` names the nearest."""
    exact = next((term for term in (*glossary(), *names()) if word in term.spellings), None)  # p is not P
    terms = _by_spelling()
    if (found := exact or terms.get(_folded(word))) is not None:
        return found
    first = [_folded(spelling) for term in glossary() for spelling in term.spellings]
    close = get_close_matches(_folded(word), first, 3) or get_close_matches(_folded(word), terms, 3)
    near = dict.fromkeys(terms[name].name for name in close)
    hint = f"did you mean {' or '.join(near)}?" if near else "howfar explain lists all"
    raise UnknownNameError(f"no term named {word!r}; {hint}")


def terms_in(text: str) -> list[Term]:
    """List the terms whose spellings stand in a text as words, in the order of the glossary; a single letter keeps its case."""
    return [term for term in glossary() if any(_pattern(spelling).search(text) for spelling in term.spellings)]


@cache
def _pattern(spelling: str) -> re.Pattern[str]:
    plain = spelling.isalpha() and spelling.islower()
    return re.compile(rf"(?<![\w^-]){re.escape(spelling)}(?![\w^-])", re.IGNORECASE if plain and len(spelling) > 3 else 0)


def _folded(word: str) -> str:
    return re.sub(r"[\s_^-]+", "", word).casefold()
