"""Outcomes in columns are what was put in, and few bytes an image."""

from __future__ import annotations

import pickle

from howfar.data import Item
from howfar.pipeline.embedding import Batches, Outcome, Outcomes

ITEMS = tuple(Item(f"{k}.png", f"/roads/{k}.png") for k in range(6))
OUTCOMES = [
    Outcome(ITEMS[0], "0" * 31 + "a", reused=True),
    Outcome(ITEMS[1], reason="empty file (0 bytes)"),
    Outcome(ITEMS[2], "0" * 31 + "b", elsewhere=True),
    Outcome(ITEMS[3], "0" * 31 + "a", reused=True),
    Outcome(ITEMS[4], "0" * 31 + "c"),
    Outcome(ITEMS[5], "0" * 31 + "d", reused=True, elsewhere=True),
]


def made() -> Outcomes:
    outcomes = Outcomes(ITEMS)
    outcomes.extend(OUTCOMES[:4])
    outcomes.extend(OUTCOMES[4:])
    return outcomes


def test_outcomes_come_back_as_they_were() -> None:
    assert list(made()) == OUTCOMES
    assert list(pickle.loads(pickle.dumps(made()))) == OUTCOMES


def test_an_outcome_is_replaced_by_the_one_that_settles_it() -> None:
    outcomes = made()
    outcomes.settle(2, Outcome(ITEMS[2], "0" * 31 + "b", reused=True))
    assert outcomes.elsewhere() == [5]
    outcomes.settle(5, Outcome(ITEMS[5], reason="no such file"))
    assert outcomes.elsewhere() == []
    assert list(outcomes.failed()) == [(ITEMS[1], "empty file (0 bytes)"), (ITEMS[5], "no such file")]
    outcomes.settle(1, OUTCOMES[4])
    assert outcomes[1] == Outcome(ITEMS[1], OUTCOMES[4].content)
    assert [item.name for item, _ in outcomes.failed()] == ["5.png"]
    assert list(outcomes.columns()[0]) == ["0.png", "1.png", "2.png", "3.png", "4.png"]


def test_damaged_features_are_awaited() -> None:
    outcomes = made()
    assert outcomes.reused(0, 3) == {"0" * 31 + "a"}
    assert outcomes.reused(3, 9) == {"0" * 31 + "a", "0" * 31 + "d"}
    outcomes.lose({"0" * 31 + "a"})
    assert outcomes.elsewhere() == [0, 2, 3, 5]
    assert outcomes.reused(0, 6) == {"0" * 31 + "d"}


def test_columns_leave_out_what_has_no_features() -> None:
    names, paths, contents = made().columns()
    good = [outcome for outcome in OUTCOMES if not outcome.reason]
    assert names == tuple(outcome.item.name for outcome in good)
    assert paths == tuple(str(outcome.item.path) for outcome in good)
    assert contents == tuple(outcome.content for outcome in good)


def test_batches_are_cut_from_each_listing() -> None:
    batches = Batches([ITEMS[:5], (), ITEMS[5:]], 2)
    assert [(batch.dataset, batch.items) for batch in batches] == [
        (0, ITEMS[:2]), (0, ITEMS[2:4]), (0, ITEMS[4:5]), (2, ITEMS[5:]),
    ]  # fmt: skip
    assert list(batches.datasets()) == [batch.dataset for batch in batches]
    assert (len(batches), batches[-1].items) == (4, ITEMS[5:])


def test_many_outcomes_are_small() -> None:
    items = [Item(f"{k}", f"/roads/{k}") for k in range(2000)]
    outcomes = Outcomes(items)
    empty = len(pickle.dumps(outcomes))
    outcomes.extend(Outcome(item, f"{k:032x}", reused=True) for k, item in enumerate(items))
    assert len(pickle.dumps(outcomes)) - empty < 2000 * 17 + 100
