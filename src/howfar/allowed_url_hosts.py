"""Parse and hold the hosts that the user allows for URLs in the cells of tables, Parquet and Arrow files."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from threading import Lock
from typing import Final

from howfar.errors import InputError

VARIABLE: Final = "HOWFAR_ALLOW_URLS"
"""Environment variable that names hosts as `--allow-urls` does, for processes that no option reaches (workers of a cluster)."""

_HOST: Final = re.compile(r"\w+(?:(?:-+|\.)\w+)*")
_PORT: Final = re.compile(r"(?<=[\w\]:]):\d{1,5}$")
_lock = Lock()
# A context variable would be invisible to the threads that read images.
_allowed: Counter[str] = Counter()


def hosts_of(given: str | Sequence[str], name: str = "allow_urls") -> tuple[str, ...]:
    """Read hosts or buckets of URLs, one by one or with commas between them; raise `InputError`, about `name`, otherwise."""
    texts = given.split(",") if isinstance(given, str) else list(given)
    hosts = tuple(host for text in texts if (host := str(text).strip().lower()))
    if texts and not hosts:
        raise InputError.of(name, "must name a host or bucket", given, "write images.example.org, or leave it out")
    for host in hosts:
        if not _is_host(host):
            bare = host.rpartition("://")[2].partition("/")[0].rpartition("@")[2].partition(":")[0]
            remedy = f"write {bare if _is_host(bare) else 'images.example.org'}"
            raise InputError.of(name, "must be hosts or buckets", host, remedy)
    return hosts


def _is_host(text: str) -> bool:
    """Return whether a text could be a host's name or address, with a port or without, or a bucket's name."""
    bare = _PORT.sub("", text)
    if _HOST.fullmatch(bare):
        return True
    for address in (bare.removeprefix("[").removesuffix("]"), text):
        with suppress(ValueError):
            return bool(ip_address(address))
    return False


@contextmanager
def allowing(given: str | Sequence[str]) -> Iterator[None]:
    """Let cells of tables point to these hosts inside the ``with`` block, in all threads of the process."""
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
    return frozenset(named | set(named_by_variable()))


def named_by_variable() -> tuple[str, ...]:
    """Return the hosts that the environment variable `VARIABLE` names; raise `InputError`, which names it, for no host."""
    given = os.environ.get(VARIABLE)
    return hosts_of(given, VARIABLE) if given else ()
