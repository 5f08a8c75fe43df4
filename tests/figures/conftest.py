"""Believable results, and relations of several sizes, made once for all figure tests."""

from collections.abc import Callable
from functools import cache

import pytest

from figures import believable_relation
from howfar.results import Relation
from worlds.believable_runs import bakeoff, related, run_folder, several, six, study, study_folder

__all__ = ["bakeoff", "related", "run_folder", "several", "six", "study", "study_folder"]


@pytest.fixture(scope="session")
def sized() -> Callable[..., Relation]:
    """Relations of sets of given sizes, the same object each time it is asked for."""

    @cache
    def of(*sets: tuple[str, int], unlabelled: tuple[str, ...] = (), blank: tuple[str, ...] = ()) -> Relation:
        return believable_relation.sized(dict(sets), unlabelled=unlabelled, blank=blank)

    return of
