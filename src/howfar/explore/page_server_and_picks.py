"""Serve a run's interactive page locally, save the images picked there (picks.json), and make selections of them."""

import json
import re
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from howfar.errors import HowfarError, InputError, MissingPathError, StoreError
from howfar.explore.page_requests import BYTES, PageParts
from howfar.io.atomic_writes import replace_text
from howfar.results import Comparison, Selection
from howfar.selection.candidates import NAME

FILE = "picks.json"
FORMAT = 1


class Picked(NamedTuple):
    """Hold a picked image: its dataset and name."""

    dataset: str
    image: str


def write_picks(folder: str | Path, picks: Sequence[Picked]) -> Path:
    """Write ``picks.json`` into a run folder atomically, replacing an earlier one, and return its path."""
    document = {"format": FORMAT, "picks": [pick._asdict() for pick in picks]}
    path = Path(folder) / FILE
    replace_text(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    return path


def read_picks(folder: str | Path) -> tuple[Picked, ...]:
    """Read a run folder's picks in the order in which they were made; raise where there are none or the file is damaged."""
    path = Path(folder) / FILE
    if not path.is_file():
        raise MissingPathError(f"no {FILE} in {folder}: pick images with howfar explore {folder} first")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise StoreError(f"{path} is of format {document['format']!r}, and this howfar reads {FORMAT}: update howfar")
        picks = tuple(Picked(pick["dataset"], pick["image"]) for pick in document["picks"])
        if all(isinstance(part, str) for pick in picks for part in (pick.dataset, pick.image)):
            return picks
    except (ValueError, TypeError, LookupError, RecursionError):
        pass
    raise StoreError(f"{path} is damaged: pick the images again with howfar explore {folder}")


def picked_by_dataset(comparison: Comparison, picks: Sequence[Picked]) -> dict[str, list[str]]:
    """Group picks by dataset in picking order, without repeats; raise `InputError` for a pick outside the run's secondaries."""
    known = {name: set(images["image"]) for name, images in comparison.images.groupby("dataset")}
    grouped: dict[str, list[str]] = {}
    for pick in dict.fromkeys(picks):
        if pick.image not in known.get(pick.dataset, ()):
            rule = "must name images of the run's secondary datasets"
            raise InputError.of(FILE, rule, f"{pick.dataset}: {pick.image}", "pick the images again with howfar explore")
        grouped.setdefault(pick.dataset, []).append(pick.image)
    return grouped


class HandPicked:
    """Choose the picked images in picking order, as a `howfar.protocols.Strategy`."""

    name = "picked"
    needs: tuple[str, ...] = ()
    nested = True

    def __init__(self, images: Sequence[str]) -> None:
        self.images = tuple(images)

    def pick(
        self, columns: Mapping[str, Any], k: int, rng: np.random.Generator, labelled: NDArray[np.bool_] | None = None
    ) -> NDArray[np.intp]:
        """Return the positions of the first k picked images."""
        position = {name: index for index, name in enumerate(columns[NAME].tolist())}
        return np.array([position[name] for name in self.images[:k]], dtype=np.intp)

    def reason(self, values: Mapping[str, float]) -> str:
        """Return the reason for a pick by hand."""
        return "picked by hand"


def selections(
    run: str | Path, dataset: str | None = None, beside: Mapping[str, Any] | None = None
) -> dict[str, Callable[..., Selection]]:
    """Return, for each dataset with picks or for one, a function that selects them into `out`, with options of `select`."""
    comparison = Comparison.load(run)
    grouped = picked_by_dataset(comparison, read_picks(run))
    if dataset is not None and dataset not in grouped:
        rule = f"must have images that were picked ({', '.join(grouped) or 'none were'})"
        raise InputError.of("dataset", rule, dataset)
    if not grouped:
        raise InputError.of("picks", "must hold an image", 0, f"pick some with howfar explore {run}")
    from howfar.studies.select_images import select

    return {
        name: partial(select, run, name, len(images), HandPicked(images), **(beside or {}))
        for name, images in grouped.items()
        if dataset is None or name == dataset
    }


TEXT = "text/plain; charset=utf-8"
KEPT = f"Saved in the run folder as {FILE}."


class Response(NamedTuple):
    """Hold the answer to a request."""

    status: int
    type: str
    body: bytes


NOT_FOUND = Response(404, TEXT, b"not found")


@dataclass(eq=False, kw_only=True)
class Site:
    """Answer the requests of a page.

    A request must show `token`, which is part of the printed address, so that nobody else on this machine who can open
    connections sees the images; one that writes shows it in a header too.
    """

    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    def get(self, path: str) -> Response:
        """Answer a GET of a path below the token, as written in the request's first line; 404 for unknown paths."""
        return NOT_FOUND

    def keep(self, body: bytes) -> Response:
        """Save what the page posts."""
        return NOT_FOUND


@dataclass(eq=False)
class RunSite(Site):
    """Answer by path with a run's own images alone; `files` are the page and what it loads, `kept` its line on saved picks."""

    folder: Path
    parts: PageParts
    files: Mapping[str, Response]
    kept: str = KEPT

    def get(self, path: str) -> Response:
        """Answer with a file of the page, the run's data, or an image."""
        if path in self.files:
            return self.files[path]
        if path == "/data":
            try:
                picks = read_picks(self.folder)
            except HowfarError:
                picks = ()
            # The rows of the folder's picks, without those that are no longer images of the run.
            rows = self.parts.points.rows.iloc[: self.parts.points.secondary_count]
            wanted = rows["image"].isin({pick.image for pick in picks}).to_numpy().nonzero()[0]
            row_of = {(rows["dataset"].iloc[row], rows["image"].iloc[row]): int(row) for row in wanted}
            return Response(200, BYTES, self.parts.block(self.token, [row_of[pick] for pick in picks if pick in row_of]))
        try:
            found = self.parts.read(path[1:]) if path.startswith("/") else None
        except HowfarError as error:
            return Response(409, TEXT, str(error).encode())
        return NOT_FOUND if found is None else Response(200, *found)

    def keep(self, body: bytes) -> Response:
        """Save the page's rows as the run's picks; 400 for rows that are not of secondary datasets."""
        try:
            rows, end = json.loads(body)["rows"], self.parts.points.secondary_count
            if not isinstance(rows, list) or not all(type(row) is int and 0 <= row < end for row in rows):
                raise ValueError
        except (ValueError, TypeError, LookupError, RecursionError):
            return Response(400, TEXT, b"rows must be numbers of images of secondary datasets")
        names = self.parts.points.rows[["dataset", "image"]]
        try:
            write_picks(self.folder, [Picked(*map(str, names.iloc[row])) for row in dict.fromkeys(rows)])
        except OSError as error:
            return Response(500, TEXT, f"{FILE} cannot be written: {error.strerror or error}".encode())
        return Response(200, TEXT, self.kept.encode())


HOST = "127.0.0.1"
MOST_BYTES = 4_000_000
MOST_DIGITS = 10
"""Longest body of a request: more picks than that are refused."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_RANGE = re.compile(r"bytes=(\d{1,15})-(\d{1,15})?")
_REFUSED = Response(403, TEXT, b"refused: open the address that howfar explore printed")


class Server(ThreadingHTTPServer):
    """Answer a site's requests from this machine, each in its own thread that ends with the process."""

    daemon_threads = True

    def __init__(self, site: Site, port: int = 0) -> None:
        self.site = site
        super().__init__((HOST, port), _Handler)

    @property
    def address(self) -> str:
        """Return the page's address, with the token of this server."""
        return f"http://{HOST}:{self.server_port}/{self.site.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore errors of a browser that disconnected; report all others as the base class does."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def names(self) -> set[str]:
        """Return the hosts that a request may name, so that DNS names of other pages pointing here are refused."""
        return {f"{HOST}:{self.server_port}", f"localhost:{self.server_port}"}


@contextmanager
def serving(site: Site, port: int = 0) -> Iterator[str]:
    """Serve a site until the block ends, and yield its address; raise `InputError` for a port that is taken."""
    try:
        server = Server(site, port)
    except OSError as error:
        rule = f"cannot be listened on ({error.strerror or error})"
        raise InputError.of("port", rule, port, "choose another, or leave it out") from error
    with server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.address
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "howfar"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        path = self._below_token()
        self._send(_REFUSED if path is None or not self._is_ours() else self.server.site.get(path))

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        # A body that is not read would be taken for the next request.
        self.close_connection = True
        path, length = self._below_token(), self.headers.get("Content-Length", "")
        if path is None or not self._is_ours() or not self._is_token(self.headers.get("X-Howfar-Token", "")):
            answer = _REFUSED
        elif path != "/picks":
            answer = NOT_FOUND
        elif not (length.isascii() and length.isdigit() and len(length) < MOST_DIGITS) or int(length) > MOST_BYTES:
            answer = Response(413, TEXT, b"a body of that length is not taken")
        else:
            answer = self.server.site.keep(self.rfile.read(int(length)))
        self._send(answer)

    def _below_token(self) -> str | None:
        """Return the requested path below the token; None for a request without the token, which gets no answer."""
        length = len(self.server.site.token) + 1
        begin, rest = self.path[:length], self.path[length:]
        return rest if begin[:1] == "/" == rest[:1] and self._is_token(begin[1:]) else None

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode("utf-8", "surrogateescape"), self.server.site.token.encode())

    def _is_ours(self) -> bool:
        """Return whether a request comes from this page, or from somebody who typed the address."""
        names = self.server.names()
        if self.headers.get_all("Host", []) not in [[name] for name in names]:
            return False
        origin = self.headers.get("Origin")
        if origin is not None and origin not in {f"http://{name}" for name in names}:
            return False
        # A link on another page may open this one, but no other page may load its parts.
        whence, purpose = self.headers.get("Sec-Fetch-Site"), self.headers.get("Sec-Fetch-Mode")
        return whence in (None, "same-origin", "none") or (purpose == "navigate" and self._below_token() == "/")

    def _send(self, answer: Response) -> None:
        body, whole = answer.body, len(answer.body)
        given = _RANGE.fullmatch(self.headers.get("Range", "")) if answer.status == HTTPStatus.OK else None
        if given:
            begin, end = int(given[1]), min(int(given[2] or whole), whole - 1)
            body = body[begin : end + 1]
            answer = answer._replace(status=HTTPStatus.PARTIAL_CONTENT if body else HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.type)
        self.send_header("Content-Length", str(len(body)))
        if given:
            self.send_header("Content-Range", f"bytes {begin}-{end}/{whole}" if body else f"bytes */{whole}")
        for name, value in HEADERS.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name that the base class gives it
        """Print nothing, as the terminal shows the address only."""
