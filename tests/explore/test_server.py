"""What the server gives, and to whom: the images of the run's own list by number, to this machine's own page alone."""

import http.client
import io
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from explore_names import SITES
from howfar.cli.main import run as command
from howfar.explore import page_data
from howfar.explore.page_requests import PageParts
from howfar.explore.page_server_and_picks import POLICY, Server, read_picks
from howfar.report.explorer import site_of
from howfar.results import Comparison


@pytest.fixture
def server(run: Path) -> Iterator[Server]:
    with Server(site_of(run)) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def ask(
    server: Server, path: str, method: str = "GET", body: bytes = b"", below: bool = True, **headers: str
) -> tuple[int, bytes, Any]:
    """Send a request whose path is written as it stands, below the token or without it."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
    connection.putrequest(method, f"/{server.site.token}{path}" if below else path, skip_host="Host" in headers)
    written = {name.replace("_", "-"): value for name, value in headers.items()}
    for name, value in {"Content-Length": str(len(body)), **written}.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    response = connection.getresponse()
    found = response.status, response.read(), response.headers
    connection.close()
    return found


def post(server: Server, rows: Any, **headers: str) -> int:
    token = {"X_Howfar_Token": server.site.token}
    return ask(server, "/picks", "POST", json.dumps({"rows": rows}).encode(), **(token | headers))[0]


def test_the_page_and_its_parts(server: Server) -> None:
    status, page, headers = ask(server, "/")
    assert status == 200
    assert b"How far from roads?" in page
    assert headers["Content-Security-Policy"] == POLICY
    assert headers["Cache-Control"] == "no-store"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert server.site.token.encode() not in page
    assert headers["Referrer-Policy"] == "no-referrer"
    for path in ("/bundle.js", "/page.css", "/data"):
        assert ask(server, path)[0] == 200


def test_a_long_run_gives_its_columns_by_ranges_and_its_rows_by_number(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(server, "/column/column_0")[0] == 404
    monkeypatch.setattr(page_data, "LEVEL_BYTES", 60)
    server.site = replace(server.site, parts=PageParts(server.site.parts.points, server.site.parts.masks))
    values = server.site.parts.points.columns[0].values.astype("<f4")
    whole = values[np.arange(36) * 23 % 36].tobytes()
    assert page_data.stride(36) == 23
    assert ask(server, "/column/column_0")[:2] == (200, whole)
    status, part, headers = ask(server, "/column/column_0", Range="bytes=8-19")
    assert (status, part, headers["Content-Range"]) == (206, whole[8:20], "bytes 8-19/144")
    assert ask(server, "/column/column_0", Range="bytes=140-999")[1] == whole[140:]
    assert ask(server, "/column/column_0", Range="bytes=144-")[0] == 416
    assert ask(server, "/column/column_0", Range="lines=1-2")[0] == 200
    assert ask(server, "/column/nothing")[0] == 404
    names = server.site.parts.points.rows["image"]
    rows = json.loads(ask(server, "/rows/3,30")[1])
    assert [row["name"] for row in rows] == [names[3], names[30]]
    assert [(row["mask"], row["predictions"]) for row in rows] == [(True, [True]), (True, [False])]
    assert rows[0]["nearest"] == server.site.parts.points.nearest[3].tolist()
    for path in ("/rows/", "/rows/36", "/rows/3,", "/rows/-1", f"/rows/{','.join(['1'] * 501)}", "/search/road"):
        assert ask(server, path)[0] == 404


def test_images_are_given_at_full_size_by_number(server: Server) -> None:
    for path, mode in (
        ("/image/3", "RGB"),
        ("/thumbnail/3", "RGB"),
        ("/mask/3", "L"),
        ("/prediction/3", "L"),
        ("/image/30", "RGB"),
    ):
        status, data, headers = ask(server, path)
        assert status == 200
        assert headers["X-Content-Type-Options"] == "nosniff"
        picture = Image.open(io.BytesIO(data))
        assert (picture.size, picture.mode) == ((40, 40), mode)
    mask = np.asarray(Image.open(io.BytesIO(ask(server, "/mask/3")[1])))
    key = (SITES[0], server.site.parts.points.rows.loc[3, "image"])
    source = Path(Comparison.load(server.site.folder).sources[key[0]]) / "masks" / f"{Path(key[1]).stem}.png"
    assert np.array_equal(mask > 127, np.asarray(Image.open(source).convert("L")) > 127)


@pytest.mark.parametrize(
    "path",
    [
        "/../result.json",
        "/result.json",
        "/image/../../result.json",
        "/image/%2e%2e%2fresult.json",
        "/image/..%2f..%2fetc%2fpasswd",
        "/image//etc/passwd",
        "//etc/passwd",
        "/image/36",
        "/image/-1",
        "/image/1.0",
        "/image/%31",
        "/image/3?x=1",
        "/image/3/",
        "/image/",
        "/image/99999999999999999999",
        "/mask/30/..",
        "/prediction/30",
        "/_paths/0",
        "/data/",
        "/%64ata",
        "/*",
        "/picks",
    ],
)
def test_all_else_is_not_found(server: Server, path: str) -> None:
    assert ask(server, path)[:2] == (404, b"not found")


@pytest.mark.parametrize("path", ["/", "/data", "/image/3", "/thumbnail/3", "/bundle.js", "/guess/image/3", "/guess/", ""])
def test_nothing_is_given_without_the_token(server: Server, path: str) -> None:
    status, said, _ = ask(server, path, below=False)
    assert (status, said) == (403, b"refused: open the address that howfar explore printed")
    assert ask(server, f"/{server.site.token[:-1]}{path}", below=False)[0] == 403
    assert ask(server, f"/{server.site.token}", below=False)[0] == 403


def test_digits_of_other_scripts_are_no_numbers(server: Server) -> None:
    assert [server.site.get(path).status for path in ("/image/3", "/image/\u0661", "/image/\u00b2")] == [200, 404, 404]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
        {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors"},
    ],
)
def test_others_are_refused(server: Server, headers: dict[str, str]) -> None:
    for path in ("/", "/data", "/image/3", "/nothing"):
        assert ask(server, path, **headers)[0] == 403
    assert post(server, [1], **headers) == 403
    assert not (server.site.folder / "picks.json").exists()


def test_a_link_may_open_the_page_and_nothing_else(server: Server) -> None:
    link = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert ask(server, "/", **link)[0] == 200
    assert ask(server, "/data", **link)[0] == 403
    assert ask(server, "/", Host=f"localhost:{server.server_port}")[0] == 200


def test_picks_are_kept_with_the_token_alone(server: Server) -> None:
    folder = server.site.folder
    assert ask(server, "/picks", "POST", b'{"rows": [1]}')[0] == 403
    assert post(server, [1], X_Howfar_Token="guess") == 403
    assert not (folder / "picks.json").exists()
    assert post(server, [2, 15, 2]) == 200
    names = server.site.parts.points.rows["image"]
    assert [(pick.dataset, pick.image) for pick in read_picks(folder)] == [(SITES[0], names[2]), (SITES[1], names[15])]
    assert post(server, []) == 200
    assert read_picks(folder) == ()


@pytest.mark.parametrize("rows", [[24], [-1], [True], ["1"], [1.0], None, 3, [[1]]])
def test_picks_that_are_no_rows_are_refused(server: Server, rows: Any) -> None:
    assert post(server, rows) == 400
    assert not (server.site.folder / "picks.json").exists()


def test_bodies_that_are_no_picks(server: Server) -> None:
    token = {"X_Howfar_Token": server.site.token}
    assert ask(server, "/picks", "POST", b"[" * 99_999, **token)[0] == 400
    for rows in (b"{}", b'""', b"null", b"3"):
        assert ask(server, "/picks", "POST", b'{"rows": ' + rows + b"}", **token)[0] == 400
    assert ask(server, "/elsewhere", "POST", b"{}", **token)[0] == 404
    assert ask(server, "/picks", "POST", b"", **token, Content_Length="5000000")[0] == 413


def test_it_listens_on_this_machine_alone(server: Server) -> None:
    assert server.server_address[0] == "127.0.0.1"
    assert server.address == f"http://127.0.0.1:{server.server_port}/{server.site.token}/"


def test_a_port_that_is_taken_is_a_line(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        assert command(["explore", str(run), "--port", str(other.getsockname()[1])]) == 2
    assert "howfar: --port cannot be listened on" in capsys.readouterr().err


def test_the_command_says_its_address_and_ends_with_ctrl_c(run: Path) -> None:
    start = [sys.executable, "-c", "from howfar.cli.main import main; main()", "explore", str(run)]

    def hears_interrupts() -> None:
        # What runs in the background of a shell without job control is started deaf to them.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    listening: dict[str, Any] = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(start, preexec_fn=hears_interrupts, **listening) as process:  # no thread is running
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith("http://127.0.0.1:")
        address = urlsplit(line.split()[0])
        connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=5)
        connection.request("GET", f"{address.path}image/0")
        with connection.getresponse() as response:
            assert response.status == 200
        connection.close()
        process.send_signal(signal.SIGINT)
        out, rest = process.communicate(timeout=30)
    assert (process.returncode, out, rest) == (0, "", "ended\n")
