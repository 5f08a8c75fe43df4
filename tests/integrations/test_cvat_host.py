"""CVAT installs as containers alone, so that its SDK's calls are answered by a stand-in here."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest

import howfar
from howfar.cli.main import run
from howfar.data import read_mask
from howfar.errors import InputError
from howfar.integrations.labelling_servers import CvatHost, connect
from label_tools import export_cvat

ADDRESS = "cvat://cvat.example/bridges"


class ApiError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(f"Status Code: {status}")
        self.status = status


class Task:
    def __init__(self, server: "Server", number: int, names: list[str]) -> None:
        self.server, self.id, self.names = server, number, names

    def get_frames_info(self) -> list[Any]:
        return [SimpleNamespace(name=name) for name in self.names]

    def remove(self) -> None:
        self.server.tasks_made.remove(self)


class Project:
    def __init__(self, server: "Server", name: str, labels: list[dict[str, str]]) -> None:
        self.server, self.id, self.name, self.labels = server, 7, name, labels

    def get_tasks(self) -> list[Task]:
        return list(self.server.tasks_made)

    def get_labels(self) -> list[Any]:
        return [SimpleNamespace(**label) for label in self.labels]

    def remove(self) -> None:
        self.server.made.remove(self)

    def export_dataset(self, name: str, file: str, *, include_images: bool) -> None:
        assert (name, include_images) == ("CVAT for images 1.1", False)
        with ZipFile(file, "w") as archive:
            archive.writestr("annotations.xml", self.server.exported)


class Server:
    """Hold what a CVAT server would, and be the client of it."""

    def __init__(self) -> None:
        self.made: list[Project] = []
        self.tasks_made: list[Task] = []
        self.exported = ""
        self.broken = False
        self.marks = ""
        self.api_client = SimpleNamespace(rest_client=SimpleNamespace(request=None))
        self.projects = SimpleNamespace(list=lambda: list(self.made), create=self.create_project)
        self.tasks = SimpleNamespace(create_from_data=self.create_task)

    def create_project(self, spec: dict[str, Any]) -> Project:
        self.made.append(Project(self, spec["name"], spec["labels"]))
        return self.made[-1]

    def create_task(
        self, spec: Any, resources: list[Path], *, data_params: Any, annotation_path: str, annotation_format: str
    ) -> None:
        assert (spec["project_id"], annotation_format, data_params["sorting_method"]) == (7, "CVAT 1.1", "predefined")
        assert all(file.is_file() for file in resources)
        self.tasks_made.append(Task(self, len(self.tasks_made), [file.name for file in resources]))
        self.marks = Path(annotation_path).read_text(encoding="utf-8")
        if self.broken:
            raise ApiError(500)

    def login(self, key: str) -> None:
        if key != "right":
            raise ApiError(401)

    def close(self) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    found = Server()

    def client(url: str, *, check_server_version: bool) -> Server:
        assert (url, check_server_version) == ("https://cvat.example", False)
        return found

    names = ("cvat_sdk", "cvat_sdk.core", "cvat_sdk.core.client", "cvat_sdk.core.exceptions")
    sdk, core, clients, exceptions = map(ModuleType, names)
    vars(sdk).update(exceptions=SimpleNamespace(ApiException=ApiError))
    vars(clients).update(Client=client, AccessTokenCredentials=str)
    exceptions.CvatSdkException = KeyError  # type: ignore[attr-defined]
    for module in (sdk, core, clients, exceptions):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setenv(CvatHost.KEY, "right")
    return found


def test_a_drawn_sample_goes_there_in_its_order_and_its_labels_come_back(site, server, tmp_path, capsys):
    folder = tmp_path / "certificate"
    command = [str(part) for part in ("certify", site / "site", "--predictions", site / "maps", "-k", 4, "--out", folder)]
    assert run([*command, "--to", ADDRESS]) == 0
    assert "4 images sent: https://cvat.example/projects/7" in capsys.readouterr().err
    assert run([*command, "--to", ADDRESS]) == 0
    assert "0 images sent, 4 were there" in capsys.readouterr().err
    names = [one.image for one in howfar.Certificate.load(folder).sample]
    assert [task.names for task in server.tasks_made] == [names]
    assert server.made[0].labels == [{"name": "foreground", "type": "any"}]
    assert server.marks.count("<mask ") == 4

    true = {name: read_mask(site / "true" / f"{Path(name).stem}.png") for name in names}
    server.exported = export_cvat(true, "foreground", tmp_path / "out.xml").read_text(encoding="utf-8")
    imported = tmp_path / "labelled"
    assert run(["labels", "import", ADDRESS, "--images", str(folder), "-o", str(imported)]) == 0
    for name, mask in true.items():
        assert np.array_equal(read_mask(imported / "masks" / f"{Path(name).stem}.png"), mask)


def test_what_was_sent_is_taken_back_when_the_server_fails(site, server, tmp_path):
    howfar.certify(str(site / "site"), str(site / "maps"), 2, out=tmp_path / "certificate", progress=False)
    server.broken = True
    with pytest.raises(InputError, match=r"https://cvat.example refuses to do so .status 500"):
        connect(ADDRESS).send(tmp_path / "certificate")
    assert (server.tasks_made, server.made) == ([], [])


def test_a_project_of_another_type_and_a_refused_key_are_one_line(site, server, tmp_path, monkeypatch):
    howfar.certify(str(site / "site"), str(site / "maps"), 2, out=tmp_path / "certificate", progress=False)
    server.create_project({"name": "bridges", "labels": [{"name": "foreground", "type": "tag"}]})
    with pytest.raises(InputError, match=r"must have the label 'foreground' of type any .*: add it there, or name a new title"):
        connect(ADDRESS).send(tmp_path / "certificate")
    assert server.tasks_made == []
    monkeypatch.setenv(CvatHost.KEY, "wrong")
    with pytest.raises(InputError, match=f"refuses the key in {CvatHost.KEY}"):
        connect(ADDRESS)
    monkeypatch.delenv(CvatHost.KEY)
    with pytest.raises(InputError, match=f"{CvatHost.KEY} must hold your key: make one in CVAT"):
        connect(ADDRESS)
