"""Serve the page of one run on this machine alone, with the standard library."""

from __future__ import annotations

import secrets
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from howfar.explore.site import NOT_FOUND, Answer, Site

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
_REFUSED = Answer(403, "text/plain; charset=utf-8", b"refused: open the address that howfar explore printed")


class Server(ThreadingHTTPServer):
    """Answer requests for one site from this machine; each in a thread of its own, which ends with the process."""

    daemon_threads = True

    def __init__(self, site: Site, port: int = 0) -> None:
        self.site = site
        super().__init__((HOST, port), _Handler)

    @property
    def address(self) -> str:
        """Return the address to open, which holds the token of this run of the server."""
        return f"http://{HOST}:{self.server_port}/{self.site.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that went away while it was answered; all else is told as the base class does."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def names(self) -> set[str]:
        """Return the hosts that a request may name: a page elsewhere that leads its own name here is refused by it."""
        return {f"{HOST}:{self.server_port}", f"localhost:{self.server_port}"}


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
        self._send(self._posted())

    def _posted(self) -> Answer:
        # A body that is not read would be taken for the next request.
        self.close_connection = True
        path = self._below_token()
        if path is None or not self._is_ours() or not self._is_token(self.headers.get("X-Howfar-Token", "")):
            return _REFUSED
        if path != "/picks":
            return NOT_FOUND
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit() and len(length) < MOST_DIGITS) or int(length) > MOST_BYTES:
            return Answer(413, "text/plain; charset=utf-8", b"a body of that length is not taken")
        return self.server.site.keep(self.rfile.read(int(length)))

    def _below_token(self) -> str | None:
        """Return the path that a request asks for below the token; None for one without it, which is nobody's to answer."""
        length = len(self.server.site.token) + 1
        begin, rest = self.path[:length], self.path[length:]
        return rest if begin[:1] == "/" == rest[:1] and self._is_token(begin[1:]) else None

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode("utf-8", "surrogateescape"), self.server.site.token.encode())

    def _is_ours(self) -> bool:
        """Return whether a request is of this page, or of somebody who typed its address."""
        names = self.server.names()
        if self.headers.get_all("Host", []) not in [[name] for name in names]:
            return False
        origin = self.headers.get("Origin")
        if origin is not None and origin not in {f"http://{name}" for name in names}:
            return False
        # A link on another page may open this one, but no other page may load its parts.
        whence, purpose = self.headers.get("Sec-Fetch-Site"), self.headers.get("Sec-Fetch-Mode")
        return whence in (None, "same-origin", "none") or (purpose == "navigate" and self._below_token() == "/")

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in HEADERS.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name that the base class gives it
        """Say nothing: the terminal shows the address alone."""
