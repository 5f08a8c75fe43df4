from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from howfar.pipeline.ahead import one_ahead


def test_the_next_item_is_made_while_one_is_used() -> None:
    made = [threading.Event() for _ in range(3)]

    def items() -> Iterator[int]:
        for number, event in enumerate(made):
            event.set()
            yield number

    coming = one_ahead(items())
    assert next(coming) == 0
    assert made[1].wait(timeout=60)
    assert not made[2].is_set()
    assert list(coming) == [1, 2]


def test_an_error_is_raised_at_its_turn() -> None:
    coming = one_ahead(1 // (2 - number) for number in range(5))
    assert [next(coming), next(coming)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(coming)


def test_the_caller_s_error_handling_holds_and_threads_are_put_back() -> None:
    def threads() -> list[int]:
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    before = threads()
    with np.errstate(over="raise"):
        coming = one_ahead(np.array([1e300]) ** number for number in range(1, 4))
        next(coming)
        with pytest.raises(FloatingPointError):
            next(coming)
    closed = one_ahead(iter("abc"))
    next(closed)
    closed.close()
    assert threads() == before
