"""Make the next item of an iterator while the one before is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, Final, TypeVar

from howfar.cores import numeric_threads

T = TypeVar("T")
_END: Final = object()


def one_ahead(items: Iterator[T]) -> Iterator[T]:
    """Yield the items of an iterator; a thread makes the next one meanwhile, so one more is in memory.

    Until the iterator ends, linear algebra has half the threads, so that the two do not wait for each other's. An exception is
    raised at its item's turn. Where the caller stops early, the item being made is waited for.

    Examples
    --------
    >>> list(one_ahead(iter("abc")))
    ['a', 'b', 'c']
    """
    from threadpoolctl import threadpool_limits

    step: Callable[[], Any] = partial(next, items, _END)
    half = max(1, numeric_threads() // 2)
    with threadpool_limits(half, user_api="blas"), ThreadPoolExecutor(1, thread_name_prefix="howfar-ahead") as thread:
        coming = thread.submit(copy_context().run, step)
        while (item := coming.result()) is not _END:
            coming = thread.submit(copy_context().run, step)
            yield item
