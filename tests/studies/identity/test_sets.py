"""Dividing the images of persons into sets, and choosing the primary ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from howfar.data import Dataset, Item
from howfar.data.variations import FINEGPR
from howfar.errors import InputError
from howfar.paper.identity_claims import compared, described

NAMES = [
    f"{person:04d}_c{view:02d}_w01_l{light:02d}_p01.jpg" for person in (1, 2, 10) for view in (1, 2, 10) for light in (3, 4)
]


def people(names: list[str] = NAMES) -> Dataset:
    return Dataset("people", tuple(Item(name, Path(name)) for name in names))


def test_sets_stand_by_person_and_value_in_natural_order_with_the_rows_of_their_images() -> None:
    table = described(people(NAMES[::-1]), FINEGPR, (), ())
    views = compared(table, ("view",), None, 0)["view"]
    assert [(each.person, each.value) for each in views.sets][:4] == [("1", "1"), ("1", "2"), ("1", "10"), ("2", "1")]
    assert views.sets[-1].person == "10"
    assert [table["image"][row] for row in views.sets[1].rows] == [NAMES[3], NAMES[2]]
    assert sorted(row for each in views.sets for row in each.rows) == list(range(18))
    assert views.references.tolist() == list(range(9))
    assert views.own(1).tolist() == [True, False, True] + [False] * 6
    assert views.others(1).tolist() == [False] * 3 + [True] * 6


def test_what_does_not_vary_is_left_out_unless_it_is_asked_for() -> None:
    table = described(people(), FINEGPR, (), ())
    assert list(compared(table, (), None, 0)) == ["view", "light"]
    with pytest.raises(InputError, match="variations must have two values for some person, got 'weather'"):
        compared(table, ("weather",), None, 0)
    with pytest.raises(InputError, match=r"variations must be among those of the images, got 'views': did you mean view\?"):
        compared(table, ("views",), None, 0)


def test_a_person_under_one_value_is_compared_with_and_not_measured_from() -> None:
    views = compared(described(people(NAMES[:13]), FINEGPR, (), ()), ("view",), None, 0)["view"]
    assert len(views.sets) == 7
    assert views.references.tolist() == list(range(6))


def test_primary_sets_are_drawn_by_the_seed() -> None:
    table = described(people(), FINEGPR, (), ())
    drawn = [compared(table, (), 4, seed)["view"].references.tolist() for seed in (0, 0, 1, 2, 3)]
    assert drawn[0] == drawn[1] == sorted(set(drawn[0]))
    assert len(drawn[0]) == 4
    assert len({tuple(each) for each in drawn}) > 1
    assert len(compared(table, (), 99, 0)["view"].references) == 9


def test_the_persons_wanted_are_kept() -> None:
    assert set(described(people(), FINEGPR, (), (1, "10"))["person"]) == {"1", "10"}
    with pytest.raises(InputError, match="persons must be persons of people, got '3': the persons are 1, 2, 10"):
        described(people(), FINEGPR, (), (1, 3))
    with pytest.raises(InputError, match="persons must be at least two"):
        described(people(), FINEGPR, (), (1,))


@pytest.mark.parametrize("pattern", [r"(?P<who>\d+)_c(?P<view>\d+).*", r"(?P<person>\d+)_.*"])
def test_a_pattern_has_to_name_the_person_and_what_varies(pattern: str) -> None:
    with pytest.raises(InputError, match="pattern must have person, and another for what varies"):
        described(people(), pattern, (), ())
