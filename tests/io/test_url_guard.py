"""URLs in the cells of tables: none leads to a host that nobody named, or to the local network, by itself or by a redirect."""

import io
import pickle
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import howfar
from howfar.allowed_url_hosts import VARIABLE, allowing
from howfar.cli.main import run
from howfar.data import Dataset, parse
from howfar.data.image_bytes import read_bytes
from howfar.data.image_tables_and_lists import _beside
from howfar.errors import ImageError, InputError
from howfar.io import url_guard
from howfar.io.file_location import Url
from howfar.io.url_guard import CellUrl, cell_location, is_local, recorded

LOCAL = [
    "127.0.0.1", "127.1", "2130706433", "0x7f.0.0.1", "localhost",
    "a.localhost", "[::1]", "10.1.2.3", "172.16.0.1", "192.168.1.1",
    "169.254.169.254", "[fd00:ec2::254]", "[fe80::1]", "0.0.0.0", "[::]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]", "100.64.0.1", "224.0.0.1",
]  # fmt: skip


STRANGE = [
    "simplecache::http://example.org/1.png", "zip://1.png::http://example.org/a.zip", "ftp://example.org/1.png",
    "sftp://example.org/1.png", "smb://nas/1.png", "github://a:b@main/1.png", "local:///etc/1.png", "data://image/png;base64,AA",
    "reference://x/1.png", "webhdfs://example.org/1.png", "http:///1.png", "http://[::1/1.png", "http://a.org:99999/1.png",
]  # fmt: skip


def picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "PNG")
    return buffer.getvalue()


class Server(BaseHTTPRequestHandler):
    """Serve one picture, a table of it, and redirects; note what is asked for."""

    asked: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.asked.append(f"{self.headers['Host']}{self.path}")
        port = self.server.server_address[1]
        to = {"/to-secret.png": f"http://127.0.0.1:{port}/secret.png", "/to-other.png": f"http://other.example:{port}/1.png"}
        to |= {"/to-here.png": "/1.png", "/to-file.png": "file:///etc/passwd"}
        if self.path in to:
            self.send_response(302)
            self.send_header("Location", to[self.path])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        cells = ["1.png", f"http://{self.headers['Host']}/2.png"]
        body = ("image\n" + "\n".join(cells) + "\n").encode() if self.path == "/list.csv" else picture()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[int]:
    """The port of a server on loopback."""
    Server.asked.clear()
    served = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    Thread(target=served.serve_forever, daemon=True).start()
    yield served.server_address[1]
    served.shutdown()
    served.server_close()


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let names under .example lead to loopback as if it were a public address; loopback by its number stays local."""
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **more: Any) -> Any:
        return resolve("127.0.0.1" if str(host).endswith(".example") else host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    written = url_guard.is_local_address
    monkeypatch.setattr(url_guard, "is_local_address", lambda text: text != "127.0.0.1" and written(text))
    monkeypatch.setattr(url_guard, "_is_written_local", lambda host: host == "127.0.0.1")
    url_guard._is_local_now.cache_clear()
    url_guard._guarded.cache_clear()
    yield
    url_guard._is_local_now.cache_clear()
    url_guard._guarded.cache_clear()


def table(folder: Path, *cells: str, column: str = "image") -> Path:
    frame = {"image": ["1.png"], "mask": list(cells)} if column == "mask" else {"image": list(cells)}
    (folder / "1.png").write_bytes(picture())
    pd.DataFrame(frame).to_csv(folder / "list.csv", index=False)
    return folder / "list.csv"


@pytest.mark.parametrize("column", ["image", "mask"])
def test_a_cell_is_not_fetched_from_a_host_that_nobody_named(tmp_path: Path, column: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(table(tmp_path, "https://example.org/1.png", column=column))
    line = str(caught.value)
    assert "https://example.org/1.png" in line
    assert "--allow-urls example.org" in line
    assert "\n" not in line


@pytest.mark.parametrize("host", LOCAL)
def test_the_local_network_is_never_reached(tmp_path: Path, host: str) -> None:
    url = f"http://{host}/1.png"
    bare = host.strip("[]")
    with allowing([bare, f"{bare}:80"]), pytest.raises(InputError, match="local network"):
        parse(table(tmp_path, url))


@pytest.mark.parametrize("url", STRANGE)
def test_chains_and_other_schemes_are_refused(tmp_path: Path, url: str) -> None:
    with allowing(["example.org", "nas", "a.org"]), pytest.raises(InputError):
        cell_location(tmp_path / "list.csv", url)


def test_a_path_in_a_table_behind_a_url_does_not_leave_its_host_or_bucket(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/t/list.csv", b"image\nsimplecache::http://127.0.0.1/1.png\n")
    with pytest.raises(InputError, match="chain"):
        Dataset.from_table("memory://t/list.csv")
    bucket = Url("s3://bucket/roads/list.csv")
    assert cell_location(bucket, "s3a://bucket/1.png") == "s3a://bucket/1.png"
    for cell in ("../../other/1.png", "s3://other/1.png"):
        with pytest.raises(InputError, match="--allow-urls other"):
            _beside(bucket, cell)
    with allowing("other"):
        assert cell_location(tmp_path / "list.csv", "s3://other/1.png") == "s3://other/1.png"


def test_a_named_host_is_read_and_its_redirects_are_checked(tmp_path: Path, server: int, public: None) -> None:
    names = ("1.png", "to-here.png", "to-other.png", "to-secret.png", "to-file.png")
    file = table(tmp_path, *(f"http://images.example:{server}/{name}" for name in names))
    with allowing("images.example"):
        dataset = Dataset.from_table(file)
    first, here, other, secret, local = (pickle.loads(pickle.dumps(item.path)) for item in dataset.items)
    assert read_bytes(first) == read_bytes(here) == picture()
    with pytest.raises(ImageError, match=r"--allow-urls other\.example"):
        read_bytes(other)
    with pytest.raises(ImageError, match="local network"):
        read_bytes(secret)
    with pytest.raises(ImageError):
        read_bytes(local)
    assert {line.partition(":")[0] for line in Server.asked} == {"images.example"}
    with allowing(["images.example", "other.example"]):
        assert read_bytes(Dataset.from_table(file).items[2].path) == picture()


def test_an_address_that_changes_between_look_and_fetch_is_not_reached(server: int, public: None, monkeypatch: Any) -> None:
    with allowing("images.example"):
        url = cell_location(Path("/data/list.csv"), f"http://images.example:{server}/1.png")
    monkeypatch.setattr(url_guard, "is_local_address", lambda text: text == "127.0.0.1")
    with pytest.raises(ImageError, match="local network"):
        read_bytes(url)
    assert Server.asked == []


def test_a_table_from_the_local_network_reads_its_own_place_alone(server: int) -> None:
    dataset = parse(f"http://127.0.0.1:{server}/list.csv")
    assert isinstance(dataset, Dataset)
    assert [read_bytes(item.path) for item in dataset.items] == [picture()] * 2
    # A record of it is text; this process was given that place.
    assert read_bytes(str(dataset.items[0].path)) == picture()
    with pytest.raises(InputError, match="local network"):
        cell_location(Url(f"http://127.0.0.1:{server}/list.csv"), "http://127.0.0.1:1/1.png")


def test_a_record_of_a_run_is_not_led_to_the_local_network(server: int) -> None:
    url_guard._named.clear()
    with pytest.raises(ImageError, match="local network"):
        read_bytes(f"http://127.0.0.1:{server}/secret.png")
    assert Server.asked == []
    assert isinstance(recorded("https://example.org/1.png"), CellUrl)
    assert not isinstance(recorded("s3://bucket/1.png"), CellUrl)


def test_a_row_of_a_container_is_not_followed_either(tmp_path: Path, server: int, public: None, monkeypatch: Any) -> None:
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    urls = [
        f"http://images.example:{server}/1.png",
        "http://169.254.169.254/latest.png",
        f"http://127.0.0.1:{server}/secret.png",
    ]
    cells = [{"bytes": None, "path": url} for url in urls]
    pq.write_table(pa.table({"image": pa.array(cells, kind)}), tmp_path / "rows.parquet")
    dataset = parse(tmp_path / "rows.parquet")
    assert isinstance(dataset, Dataset)
    for item in dataset.items:
        with pytest.raises(ImageError, match=r"host that the table is from|local network"):
            read_bytes(item.path)
    assert Server.asked == []
    monkeypatch.setenv(VARIABLE, "images.example")
    assert read_bytes(dataset.items[0].path) == picture()
    with pytest.raises(ImageError, match="local network"):
        read_bytes(dataset.items[2].path)


def test_python_and_the_command_line_name_hosts(tmp_path: Path, server: int, public: None, capsys: Any) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        table(tmp_path / name, *(f"http://images.example:{server}/{name}{k}.png" for k in range(3)))
    files = [tmp_path / "a" / "list.csv", tmp_path / "b" / "list.csv"]
    quick = {"bootstrap": 0, "permutations": 0, "baselines": False, "rivals": False, "progress": False}
    given = {"primary": f"p={files[0]}", "secondaries": {"s": files[1]}, "backbone": "colour_moments"}
    with pytest.raises(InputError, match=r"--allow-urls images\.example"):
        howfar.compare(**given, store=tmp_path / "store", **quick)
    out = tmp_path / "run"
    compared = howfar.compare(**given, store=tmp_path / "store", allow_urls="images.example", out=out, **quick)
    assert compared.datasets[0].n == 3
    urls = {f"http://images.example:{server}/b{k}.png" for k in range(3)}
    assert set(pd.read_parquet(out / "images.parquet")["path"]) == urls
    assert (out / "report.html").is_file()
    arguments = ["embed", f"p={files[0]}", "--backbone", "colour_moments", "--store", str(tmp_path / "other")]
    assert run(arguments) == 2
    assert "--allow-urls images.example" in capsys.readouterr().err
    assert run([*arguments, "--allow-urls", "images.example"]) == 0
    assert "3 images" in capsys.readouterr().out


def test_a_host_is_local_where_one_of_its_addresses_is(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [(socket.AF_INET, 1, 6, "", (address, 0)) for address in ("93.184.215.14", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    assert is_local("two.example")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both[:1])
    assert not is_local("one.example")


@pytest.mark.parametrize(
    "given", ["a.org", "my-bucket_1", "bücher.example", "93.184.216.34", "2001:db8::1", "[::1]:80", "a--b.org", "a.org:80"]
)
def test_names_addresses_and_buckets_are_hosts(given: str) -> None:
    with allowing(f" {given} "):
        assert given in url_guard.allowed()


@pytest.mark.parametrize(
    "given", ["", "  ", ",", "*", "*.example.org", "http://x", "a.org:", "a.org:x", "a b", "a..org", "-", ".", "a.org/x"]
)
def test_what_is_no_host_is_refused(given: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match=r"^allow_urls must (be hosts or buckets|name a host or bucket|not be empty), got"):
        howfar.compare("a", "b", allow_urls=given)
    monkeypatch.setenv(VARIABLE, given)
    if given:
        assert run(["store", "size"]) == 2
        assert capsys.readouterr().err.startswith(f"howfar: {VARIABLE} must ")
