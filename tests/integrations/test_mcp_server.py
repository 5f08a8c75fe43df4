"""The tools of `howfar mcp`, called by the official SDK's client over stdio and in memory."""

import os
import re
import shutil
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import howfar
from howfar.demo import write_dataset
from howfar.formatting_and_escaping import format_interval
from howfar.integrations.mcp_server import INSTRUCTIONS, server

mcp = pytest.importorskip("mcp", reason="the official SDK is not installed: pip install 'howfar[mcp]'")
anyio = pytest.importorskip("anyio")

NAMES = {
    "assess", "compare", "explain", "certify_draw", "certify_take", "check", "select", "score", "list_runs", "explore_link",
}  # fmt: skip
COLOURS, COUNTS = "colour_moments", {"roads": 24, "near": 9, "far": 10, "new": 7}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labelled datasets, a model's maps of them, and a profile of the first."""
    folder = tmp_path_factory.mktemp("world")
    for seed, (name, count) in enumerate(COUNTS.items()):
        masks = write_dataset(folder / name, count, seed=seed, shift=0.3 * seed, size=32) / "masks"
        (folder / "maps" / name).mkdir(parents=True)
        for file in masks.iterdir():
            Image.open(file).point(lambda value: value // 2 + 60).rotate(seed).save(folder / "maps" / name / file.name)
    howfar.profile(folder / "roads", COLOURS, store=folder / "features", progress=False).save(folder / "roads.howfar")
    (folder / "text.howfar").write_text("a text")
    return folder


def talk(host: Any, calls: Callable[[Any], Any]) -> None:
    """Connect the SDK's client to a server, and let a function call its tools."""

    failed: list[Exception] = []

    async def connect() -> None:
        async with mcp.Client(host) as client:
            try:
                await calls(client)
            except Exception as error:  # which the SDK would wrap in groups
                failed.append(error)

    anyio.run(connect)
    for error in failed:
        raise error


async def ask(client: Any, tool: str, **arguments: Any) -> list[str]:
    result = await client.call_tool(tool, arguments)
    (content,) = result.content
    assert not result.is_error, content.text
    assert result.structured_content is None  # where numbers would stand without their caveats
    return str(content.text).splitlines()


def listing(*folders: Path) -> dict[Path, tuple[int, int]]:
    files = (file for folder in folders for file in folder.rglob("*") if file.is_file())
    return {file: (file.stat().st_size, file.stat().st_mtime_ns) for file in files}


def test_all_tools_over_stdio_begin_with_the_verdict_and_write_below_the_folder_alone(world, tmp_path):
    home, temporary, folder = tmp_path / "home", tmp_path / "temporary", tmp_path / "runs"
    home.mkdir()
    temporary.mkdir()
    before = listing(world, home)
    paths = {
        "HOME": home,
        "TMPDIR": temporary,
        "MPLCONFIGDIR": temporary,
        "XDG_CACHE_HOME": home,
        "HOWFAR_STORE": home / "store",
    }
    env = {**os.environ, **{name: str(path) for name, path in paths.items()}}
    command = ["-m", "howfar", "mcp", str(folder)]
    host = mcp.StdioServerParameters(command=sys.executable, args=command, env=env, cwd=world)

    async def calls(client: Any) -> None:
        assert client.instructions == INSTRUCTIONS
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == NAMES
        assert all(tool.description and tool.output_schema is None for tool in tools.values())
        assert tools["certify_draw"].input_schema["required"] == ["site", "run", "predictions"]

        lines = await ask(client, "compare", primary="roads", secondaries=["near", "far"], run="distances", backbone=COLOURS)
        found = howfar.load(folder / "distances")
        assert re.match("(Of|All) 2 datasets .* roads", lines[0])
        for dataset, line in zip(found.datasets, lines[1:], strict=False):
            assert format_interval(dataset.relative, *dataset.relative_ci) in line
            assert "distance alone is no harm" in line

        lines = await ask(client, "select", run="distances", dataset="far", k=3, strategy="random")
        assert re.match(r"3 of 10 images of far, chosen by random", lines[0]), lines[0]
        assert (folder / "distances" / "select-far" / "chosen.txt").is_file()

        lines = await ask(
            client, "assess", primary="roads", sites=["near", "new"], run="assessment", predictions="maps", backbone=COLOURS
        )
        sites = {site.dataset: site for site in howfar.Assessment.load(folder / "assessment").sites}
        assert lines[0].partition(":")[0] in sites
        assert all(site.said() in lines for site in sites.values())

        lines = await ask(client, "score", profile="roads.howfar", new=["new"])
        scored = howfar.Profile.load(world / "roads.howfar").score(world / "new")
        assert lines[0] == f"{scored.caption()}."
        for image in scored.images:
            (line,) = (line for line in lines if line.startswith(f"new/images/{Path(image.image).name}: "))
            assert f"relative {image.relative:.3g} (1: as far as images of roads are from each other)" in line
            assert ("a flag has no stated error rate" if image.flag else "near is not right") in line

        rules = {"images": {"at_least": 5}, "distance": {"at_most_share": 0.2}}
        lines = await ask(client, "check", profile="roads.howfar", new=["new"], rules=rules, log="logs/roads.jsonl")
        assert lines[0] == "PASS: 7 images checked against roads."
        far = sum(image.p_value <= 0.05 for image in scored.images)
        assert lines[2].startswith(f"new, distance: warn (must be at most 20 %): {far} of 7 are farther than 95 %")
        assert len((folder / "logs" / "roads.jsonl").read_text().splitlines()) == 1

        drawn = await ask(client, "certify_draw", site="new", run="certificate", predictions="maps/new", k=4)
        assert drawn[0] == "Nothing is known yet: 4 of 7 images were drawn and wait for their labels."
        assert await ask(client, "certify_draw", site="new", run="certificate", predictions="maps/new", k=4) == drawn
        shutil.copytree(world / "new" / "masks", folder / "certificate" / "masks", dirs_exist_ok=True)
        lines = await ask(client, "certify_take", run="certificate", predictions="maps/new")
        certificate = howfar.Certificate.load(folder / "certificate")
        assert certificate.labelled == 4
        assert f"{certificate.value:.3f}, between {certificate.low:.3f} and {certificate.high:.3f} with 90 %" in lines[0]

        (line,) = await ask(client, "explore_link", run="distances")
        address = re.search(r"http://127\.0\.0\.1:\d+/\S+/", line)[0]
        with urllib.request.urlopen(address) as page:
            assert b"How far from roads?" in page.read()

        lines = await ask(client, "list_runs")
        assert lines[0] == f"3 runs lie below {folder}."
        assert {line.partition(":")[0] for line in lines[1:]} == {"certificate", "assessment", "distances"}
        assert (await ask(client, "explain", term="gate"))[0].startswith("gate: The check whether a new dataset")

    talk(host, calls)
    assert listing(world, home) == before


@pytest.mark.parametrize(
    ("tool", "arguments", "line"),
    [
        ("compare", {"primary": "none", "secondaries": ["near"], "run": "a"}, "nothing at "),
        ("compare", {"primary": "roads", "secondaries": [], "run": "a"}, "secondaries must hold at least 1, got []"),
        ("compare", {"primary": "roads", "secondaries": ["near"], "run": "../a"}, "run must be a path below {folder}"),
        ("compare", {"primary": "roads", "secondaries": ["near"], "run": "/tmp/a"}, "run must be a path below {folder}, got"),
        ("compare", {"primary": "roads", "secondaries": ["near"], "run": "s3://a/b"}, "run must be a path below {folder}, got"),
        ("compare", {"primary": "roads", "secondaries": ["near"], "run": "out/a"}, "run must be a path below {folder}, got"),
        ("compare", {"primary": "roads", "secondaries": ["near"], "run": "store/a"}, "run must not be the store of features"),
        ("check", {"profile": "roads.howfar", "new": ["new"], "rules": {}, "log": "/etc/a"}, "log must be a path"),
        ("check", {"profile": "roads.howfar", "new": ["new"], "rules": {"a": 1}}, "key of rules must be a known one, got 'a'"),
        ("score", {"profile": "text.howfar", "new": ["new"]}, "text.howfar is no profile or other archive of howfar"),
        ("certify_take", {"run": "a", "predictions": "maps/new"}, "nothing is drawn in {folder}/a: call certify_draw first"),
        ("certify_draw", {"site": "new", "run": "a", "predictions": "maps/new", "k": 0}, "k must be at least 1, got 0"),
        ("select", {"run": "a", "dataset": "far", "k": 3}, "{folder}/a/result.json is not there"),
        ("explain", {}, "term must be given to explain"),
        ("explain", {"term": "gaet"}, "no term named 'gaet'; did you mean gate"),
        ("explain", {"term": "gate", "words": 3}, "argument of explain must be a known one, got 'words'"),
        ("explian", {"term": "gate"}, "no tool named 'explian': did you mean explain?"),
    ],
)
def test_bad_arguments_come_back_in_one_line_and_nothing_is_written(tool, arguments, line, world, tmp_path, monkeypatch):
    monkeypatch.chdir(world)
    folder = tmp_path / "runs"
    folder.mkdir()
    (folder / "out").symlink_to(world, target_is_directory=True)
    before = listing(world)

    async def calls(client: Any) -> None:
        result = await client.call_tool(tool, arguments)
        (content,) = result.content
        assert result.is_error
        assert line.format(folder=folder) in content.text
        assert "\n" not in content.text

    talk(server(folder), calls)
    assert listing(world) == before
    assert [path.name for path in folder.iterdir()] == ["out"]


def test_a_fault_of_a_library_ends_no_session(world, tmp_path, monkeypatch):
    def broken(*_: Any, **__: Any) -> None:
        print("noise on stdout")
        raise RuntimeError("lost\nits way")

    monkeypatch.setattr("howfar.glossary.explain", broken)

    async def calls(client: Any) -> None:
        result = await client.call_tool("explain", {"term": "gate"})
        assert (result.is_error, result.content[0].text) == (True, "explain failed: RuntimeError: lost its way")
        assert (await ask(client, "list_runs"))[0].startswith("0 runs lie below")

    talk(server(tmp_path), calls)
