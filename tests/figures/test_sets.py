from __future__ import annotations

from dataclasses import replace

from howfar.figures.sets import looks
from howfar.figures.style import look
from howfar.results import Comparison, Relation


def test_looks_go_by_the_place_in_the_run(related: Relation, six: Comparison) -> None:
    assert looks(related) == {dataset.name: look(place) for place, dataset in enumerate(six.datasets)}
    fewer = replace(related, datasets=related.datasets[2:])
    assert looks(fewer) == looks(related)
