"""Keep which hosts the user named: cells of tables and rows of containers may point to those, and to no others."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Final

from howfar.errors import InputError

VARIABLE: Final = "HOWFAR_ALLOW_URLS"
"""Environment variable that names hosts as `--allow-urls` does, for processes that no option reaches (workers of a cluster)."""

_lock = Lock()
# Threads that read images see it, which a context variable would not let them.
_allowed: Counter[str] = Counter()


def hosts_of(given: str | Sequence[str]) -> tuple[str, ...]:
    """Read the hosts that URLs may have: names or buckets, with commas between them, or one by one.

    Raises `InputError` for what is no host, as a URL or a pattern.

    Examples
    --------
    >>> hosts_of("images.example.org, Bucket"), hosts_of(["a.org"]), hosts_of("")
    (('images.example.org', 'bucket'), ('a.org',), ())
    >>> hosts_of("https://a.org/x")
    Traceback (most recent call last):
    howfar.errors.InputError: allow_urls must be hosts or buckets, got 'https://a.org/x': write a.org
    """
    texts = given.split(",") if isinstance(given, str) else list(given)
    hosts = tuple(host for text in texts if (host := str(text).strip().lower()))
    for host in hosts:
        if "/" in host or "*" in host or any(letter.isspace() for letter in host):
            bare = host.partition("://")[2].partition("/")[0]
            raise InputError.of("allow_urls", "must be hosts or buckets", host, f"write {bare or 'images.example.org'}")
    return hosts


@contextmanager
def allowing(given: str | Sequence[str]) -> Iterator[None]:
    """Let cells of tables point to these hosts inside the ``with`` block, in all threads of the process.

    Examples
    --------
    >>> with allowing("images.example.org"):
    ...     "images.example.org" in allowed()
    True
    >>> "images.example.org" in allowed()
    False
    """
    hosts = hosts_of(given)
    with _lock:
        _allowed.update(hosts)
    try:
        yield
    finally:
        with _lock:
            _allowed.subtract(hosts)


def allowed() -> frozenset[str]:
    """Return the hosts that the user named by `allowing` or by the variable `VARIABLE`."""
    with _lock:
        named = {host for host, count in _allowed.items() if count > 0}
    return frozenset(named | set(hosts_of(os.environ.get(VARIABLE, ""))))
