import json
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen
from wsgiref.simple_server import make_server

import numpy as np
import pytest

import howfar
from howfar.cli.main import run
from howfar.data import read_mask
from howfar.data.annotation_formats import to_brush
from howfar.errors import InputError
from howfar.integrations.labelling_servers import Backend, LabelStudioHost, connect
from label_studio_server import free_port, running

# Those of the SDK.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def certified(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a drawn sample of four images."""
    folder = tmp_path_factory.mktemp("sample") / "certificate"
    howfar.certify(str(site / "site"), str(site / "maps"), 4, out=folder, progress=False)
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    yield from running(tmp_path_factory.mktemp("label-studio"))


@pytest.fixture
def address(server: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a project that does not exist yet."""
    monkeypatch.setenv(LabelStudioHost.KEY, server[1])
    return f"labelstudio{server[0].removeprefix('http')}/bridges-{secrets.token_hex(4)}"


@pytest.fixture
def sdk(server: tuple[str, str]) -> Iterator[Any]:
    from httpx import Client
    from label_studio_sdk import LabelStudio

    with Client(timeout=60.0) as http:
        yield LabelStudio(base_url=server[0], api_key=server[1], httpx_client=http)


def send(address: str, folder: Path) -> None:
    host = connect(address)
    with closing(host.client):
        host.send(folder)


def tasks_in(sdk: Any, address: str) -> list[dict[str, Any]]:
    projects = sdk.projects
    number = next(each.id for each in projects.list() if each.title == address.rpartition("/")[2])
    return projects.exports.as_json(number)


def test_a_drawn_sample_is_labelled_there_and_certified(site, certified, server, sdk, address, tmp_path, capsys):
    sample = [str(part) for part in ("certify", site / "site", "--predictions", site / "maps", "--out", certified)]
    assert run([*sample, "--to", address]) == 0
    assert "4 images sent: http" in capsys.readouterr().err
    assert run([*sample, "--to", address]) == 0
    assert "0 images sent, 4 were there" in capsys.readouterr().err
    drawn = howfar.Certificate.load(certified).sample
    tasks = tasks_in(sdk, address)
    assert [task["meta"]["image"] for task in tasks] == [one.image for one in drawn]

    for task in tasks[:3]:
        name = Path(task["meta"]["image"]).stem
        (first,) = sdk.tasks.get(task["id"]).predictions
        (mark,) = first.result
        mask = read_mask(site / "true" / f"{name}.png")
        assert mark["value"]["rle"] == to_brush(read_mask(site / "maps" / f"{name}.png"))
        mark["value"]["rle"] = to_brush(mask)
        sdk.annotations.create(task["id"], result=[mark])
        with urlopen(Request(server[0] + task["data"]["image"], headers=sdk._client_wrapper.get_headers())) as image:
            assert image.read() == Path(next(one.path for one in drawn if one.image == task["meta"]["image"])).read_bytes()
    imported = tmp_path / "labelled"
    assert run(["labels", "import", address, "--images", str(certified), "-o", str(imported), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["source"] == address
    assert len(found["left_out"]) == 1
    for one in drawn[:3]:
        mask = f"{Path(one.image).stem}.png"
        assert np.array_equal(read_mask(imported / "masks" / mask), read_mask(site / "true" / mask))
    certificate = howfar.certify(
        str(site / "site"), str(site / "maps"), out=certified, labels=imported / "masks", progress=False
    )
    assert certificate.labelled == 3
    written = [file for folder in (certified, imported) for file in folder.rglob("*") if file.is_file()]
    assert not any(server[1].encode() in file.read_bytes() for file in written)


def test_what_was_sent_is_taken_back_when_an_image_fails(certified, sdk, address, monkeypatch):
    from howfar.integrations import labelling_servers

    reads = iter([b"\x89PNG first"])

    def failing(place: str) -> bytes:
        found = next(reads, None)
        if found is None:
            raise howfar.errors.ImageError("is damaged")
        return found

    monkeypatch.setattr(labelling_servers, "read_bytes", failing)
    with pytest.raises(InputError, match="cannot be sent: is damaged"):
        send(address, certified)
    assert not any(each.title == address.rpartition("/")[2] for each in sdk.projects.list())


def test_the_backend_predicts_in_the_drawn_order(certified, sdk, address):
    send(address, certified)
    tasks = tasks_in(sdk, address)
    backend = Backend(certified, 0)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    try:
        made = sdk.ml.create(project=tasks[0]["project"], url=f"http://127.0.0.1:{backend.server_port}", title="howfar")
        body = json.dumps({"tasks": list(reversed(tasks))}).encode()
        with urlopen(Request(f"http://127.0.0.1:{backend.server_port}/predict", body)) as answer:
            results = json.load(answer)["results"]
        assert [each["score"] for each in results] == [1.0, 0.75, 0.5, 0.25]
        # Label Studio itself asks the backend for each task's marks, and then takes the lowest score first.
        number, chosen = tasks[0]["project"], {"all": True, "excluded": []}
        sdk.actions.create(id="retrieve_tasks_predictions", project=number, selected_items=chosen)
        sdk.projects.update(number, model_version=backend.version, sampling="Uncertainty sampling")
        for task in tasks:
            kept = [each for each in sdk.tasks.get(task["id"]).predictions if each.model_version == backend.version]
            assert [each.score for each in kept] == [task["meta"]["rank"] / 4]
            assert kept[0].result[0]["value"]["rle"]
        assert made.id
    finally:
        backend.shutdown()
        backend.server_close()


def test_a_refused_key_is_one_line(address, monkeypatch):
    monkeypatch.setenv(LabelStudioHost.KEY, "no-such-key")
    with pytest.raises(InputError, match=f"refuses the key in {LabelStudioHost.KEY}: make a new one"):
        connect(address)


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("labelstudio://HERE/1", "no answer from http://HERE .*: start it, or check its port"),
        ("labelstudio://me:secret@HERE/1", "without a user or key"),
        ("labelstudio://HERE", "must be labelstudio://HOST/PROJECT"),
        ("labelstudio://HERE:x/1", "must be labelstudio://HOST/PROJECT"),
        ("ftp://HERE/1", "must be labelstudio://HOST/PROJECT or cvat://HOST/PROJECT"),
    ],
)
def test_an_address_that_leads_nowhere_is_one_line(address, line, monkeypatch):
    if "no answer" in line:
        pytest.importorskip("label_studio_sdk", reason="label-studio-sdk is not installed: pip install 'howfar[labelstudio]'")
    monkeypatch.setenv(LabelStudioHost.KEY, "any")
    here = f"127.0.0.1:{free_port()}"
    with pytest.raises(InputError, match=line.replace("HERE", here)) as caught:
        connect(address.replace("HERE", here))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("tool", "sdk"), [("labelstudio", "label_studio_sdk"), ("cvat", "cvat_sdk")])
@pytest.mark.parametrize("status", [200, 500])
def test_a_host_that_answers_with_a_page_is_one_line(tool, sdk, status, site, tmp_path, monkeypatch, capsys):
    pytest.importorskip(sdk, reason=f"pip install 'howfar[{tool}]'")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "any")
    monkeypatch.setenv("CVAT_ACCESS_TOKEN", "any")

    def page(request: Any, start: Any) -> list[bytes]:
        start(f"{status} said", [("Content-Type", "text/html")])
        return [b"<html>Welcome to nginx</html>"]

    with make_server("127.0.0.1", 0, page) as host:
        threading.Thread(target=host.serve_forever, daemon=True).start()
        sample = ["certify", str(site / "site"), "--predictions", str(site / "maps"), "--out", str(tmp_path / "sample")]
        assert run([*sample, "--to", f"{tool}://127.0.0.1:{host.server_port}/bridges"]) == 2
        host.shutdown()
    line = capsys.readouterr().err.strip().splitlines()[-1]  # a slow machine shows a bar too
    assert re.search(f"does not answer as {tool} does|refuses to do so .status 500", line), line
    assert not (tmp_path / "sample").exists()


@pytest.mark.parametrize("text", ["{}", "[1]", '[{"data": {"image": "a.png"}}]', '[{"data"'])
def test_damaged_tasks_are_one_line(certified, text, tmp_path):
    (tmp_path / "label_studio.json").write_text(text)
    with pytest.raises(InputError, match=r"label_studio\.json cannot be read .*: select or certify into another folder"):
        Backend(tmp_path, 0)


def test_a_backend_serves_marks_by_name_and_by_address(certified):
    backend = Backend(certified, 0)
    try:
        tasks = json.loads((certified / "label_studio.json").read_text())
        found = backend.predict([tasks[2], {"data": tasks[0]["data"]}, {"data": {"image": "elsewhere.png"}}])
        assert [each["score"] for each in found] == [0.75, 0.25, 1.0]
        assert found[0]["result"] == tasks[2]["predictions"][0]["result"]
        assert found[2]["result"] == []
        with pytest.raises(InputError, match="port must be free"):
            Backend(certified, backend.server_port)
    finally:
        backend.server_close()
