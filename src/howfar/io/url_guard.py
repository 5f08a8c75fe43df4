"""Guard the URLs in table cells: allow only permitted hosts, and follow no redirect elsewhere or into the local network.

A table may come from anybody, and a URL that is fetched because a cell says so acts with the rights of whoever reads the table:
it reaches the services of the local network and of the machine itself (server-side request forgery, CWE-918,
https://cwe.mitre.org/data/definitions/918.html).
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import time
from functools import lru_cache
from typing import Any, Final, NamedTuple
from urllib.parse import urljoin, urlsplit

from howfar.allowed_url_hosts import allowed
from howfar.errors import ImageError, InputError
from howfar.io.file_location import Location, Url, as_location

WEB: Final = ("http", "https")
# The endpoint of these is the user's own setting, which no cell changes; what follows :// is a bucket or container.
BUCKETS: Final = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az", "abfss": "az", "hf": "hf"}
PRIVATE: Final = "must not name an address of the local network"
REMEDY: Final = "put the table there too and name its URL, or copy its images here"
NAMED: Final = "must name a host that the table is from, or that is allowed"
_MINUTE: Final = 60.0
_NUMBERED: Final = re.compile(r"\[[0-9A-Fa-f:.]*\]")  # an IPv6 address, whose colons make no chain
_named: set[Place] = set()


class Place(NamedTuple):
    """Identify where a URL leads: its kind of file system, and its host or bucket."""

    kind: str
    host: str

    @classmethod
    def of(cls, url: str) -> Place:
        """Return a URL's place: its scheme (one name per kind of store), and its host with the port, or its bucket."""
        scheme = url.partition("://")[0].lower()
        if scheme not in WEB:
            return cls(BUCKETS.get(scheme, scheme), url.partition("://")[2].partition("/")[0].lower())
        parts = urlsplit(url)
        return cls(scheme, f"{(parts.hostname or '').lower()}:{parts.port or (80 if scheme == 'http' else 443)}")

    @property
    def bare(self) -> str:
        """Return the host without its port."""
        return self.host.rpartition(":")[0] if self.kind in WEB else self.host


class CellUrl(Url):
    """Hold an http URL from a table's cell; its requests and redirects may only reach its `hosts` and `home`."""

    hosts: frozenset[str]
    home: Place | None

    def __new__(cls, text: str, hosts: frozenset[str], home: Place | None) -> CellUrl:
        """Create the URL with its allowed hosts."""
        url = super().__new__(cls, text)
        url.hosts, url.home = hosts, home
        return url

    def __reduce__(self) -> tuple[type[CellUrl], tuple[str, frozenset[str], Place | None]]:
        return CellUrl, (str(self), self.hosts, self.home)

    def beside(self, text: str) -> CellUrl:
        """Return another URL under the same rules."""
        return CellUrl(text, self.hosts, self.home)

    def file_system(self) -> tuple[Any, str]:
        """Return a file system that refuses all but the allowed hosts, and the path within it."""
        return _guarded(os.getpid(), self.hosts, self.home), str(self)


def cell_location(table: Location, cell: str) -> Location:
    """Return the location of a URL in a table's cell; `table` is the table's own location.

    Raises `InputError` for a chain of URLs (``simplecache::…``), a scheme that is no place of images, a host that is neither
    the table's own nor allowed (`howfar.allowed_url_hosts.allowing`), and an address of the local network but the table's own.
    """
    if "::" in _NUMBERED.sub("", cell):
        raise InputError.of("a URL in a table", "must be no chain of URLs", cell, "name the file itself, or copy it here")
    scheme = cell.partition("://")[0].lower()
    home = Place.of(table) if isinstance(table, Url) else None
    if scheme == "file" and home is None:
        return as_location(cell)
    if scheme == "memory":
        return as_location(cell)  # it lies in this process
    hosts, what = allowed(), "a URL in a table"
    refuse(cell, hosts, home, what)
    if scheme in WEB and Place.of(cell) != home and _is_local_now(Place.of(cell).bare, int(time.monotonic() / _MINUTE)):
        raise InputError.of(what, PRIVATE, cell, REMEDY)
    location = as_location(cell)
    return CellUrl(str(location), hosts, home) if scheme in WEB else location


def recorded(text: str) -> Location:
    """Return the location of a URL recorded by an earlier run: its own host is allowed, a local one only after `name_place`."""
    url = as_location(text)
    if not isinstance(url, Url) or isinstance(url, CellUrl) or url.partition("://")[0] not in WEB:
        return url
    place = Place.of(url)
    return CellUrl(str(url), allowed() | {place.bare}, place if place in _named else None)


def name_place(url: Url) -> None:
    """Record a URL that the user named as a dataset, so that its images can be read again."""
    _named.add(Place.of(url))


def refuse(url: str, hosts: frozenset[str], home: Place | None, what: str) -> None:
    """Raise `InputError` for a URL with a local address, or whose host is neither `home` nor one of `hosts`."""
    # No name is looked up: even to ask for the address of a host that nobody named would tell somebody.
    try:
        place = Place.of(url)
    except ValueError as error:
        raise InputError.of(what, f"must be well formed ({error})", url) from error
    if place == home and place.host:
        return
    if place.kind not in (*WEB, *BUCKETS.values()):
        rule = f"must be one of {', '.join(dict.fromkeys((*WEB, *BUCKETS.values())))}"
        raise InputError.of(what, rule, url, "copy its images here")
    bare = place.bare
    if place.kind in WEB and _is_written_local(bare):
        raise InputError.of(what, PRIVATE, url, REMEDY)
    if not hosts & {bare, place.host}:
        remedy = f"allow it with --allow-urls {bare} (allow_urls=), or copy its images here"
        raise InputError.of(what, NAMED, url, remedy)


def is_local(host: str) -> bool:
    """Return whether a host, or any of its addresses, is private, loopback or otherwise special; an unresolved name is not."""
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return _is_written_local(host)
    return any(is_local_address(address) for address in found)


def is_local_address(text: str) -> bool:
    """Return whether an address is outside the public internet, even if wrapped in an IPv6 address."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is None and address in ipaddress.ip_network("64:ff9b::/96"):  # IPv4 behind a translator (RFC 6052)
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_local_address(str(inner))
    return not address.is_global or address.is_multicast


def _is_written_local(host: str) -> bool:
    try:
        return is_local_address(host)
    except ValueError:
        return host in ("", "localhost") or host.endswith(".localhost")


@lru_cache(maxsize=1024)
def _is_local_now(host: str, minute: int) -> bool:
    """Return `is_local` of a host, looked up once a minute, as a table may name a host in each of a million rows."""
    return is_local(host)


@lru_cache(maxsize=16)
def _guarded(process: int, hosts: frozenset[str], home: Place | None) -> Any:
    """Make fsspec's file system for the web that checks every request, one a process since it is not safe across a fork."""
    import fsspec

    async def client(loop: Any, **settings: Any) -> Any:
        return await _client(hosts, home, settings)

    return fsspec.filesystem("http", get_client=client, skip_instance_cache=True)


async def _client(hosts: frozenset[str], home: Place | None, settings: dict[str, Any]) -> Any:
    import aiohttp
    from aiohttp.resolver import ThreadedResolver

    def check(url: str) -> None:
        try:
            refuse(url, hosts, home, "a URL in a table, or where it leads,")
        except InputError as error:
            raise ImageError(str(error)) from error

    async def on_start(session: Any, context: Any, parameters: Any) -> None:
        check(str(parameters.url))

    async def on_redirect(session: Any, context: Any, parameters: Any) -> None:
        target = parameters.response.headers.get("Location") or parameters.response.headers.get("URI") or ""
        check(urljoin(str(parameters.url), target))

    class Resolver(ThreadedResolver):
        """Check the addresses of each connection, which may differ from those of an earlier look-up."""

        async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> Any:
            found = await super().resolve(host, port, family)
            own = home is not None and f"{host.lower()}:{port}" == home.host
            if not own and any(is_local_address(str(entry["host"])) for entry in found):
                raise ImageError(f"a URL in a table {PRIVATE}, got {host!r}")
            return found

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(on_start)
    trace.on_request_redirect.append(on_redirect)
    # By way of a proxy it is the proxy that resolves names and connects; its own address is the user's setting.
    connector = None if settings.get("trust_env") else aiohttp.TCPConnector(resolver=Resolver())
    return aiohttp.ClientSession(**{**settings, "connector": connector, "trace_configs": [trace]})
