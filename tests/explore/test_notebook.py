"""The page as a widget: a real kernel and its comm messages, carried to the widget's script in a real browser.

The test stands for the notebook: it carries the kernel's messages to a model in the page, as anywidget gives to scripts, and
back.
"""

import base64
import json
import queue
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from howfar.errors import MissingExtraError

pytest.importorskip("anywidget", reason="anywidget is not installed")
jupyter_client = pytest.importorskip("jupyter_client", reason="jupyter_client is not installed")

MODEL = """
class Model {
  constructor(state) { this.state = state; this.listeners = {}; this.changed = new Set(); }
  get(name) { return this.state[name]; }
  set(name, value) { this.state[name] = value; this.changed.add(name); }
  save_changes() {
    for (const name of this.changed) toKernel({update: name, value: packed(this.state[name])});
    this.changed.clear();
  }
  send(content) { toKernel({custom: content}); }
  on(event, listener) { (this.listeners[event] ??= new Set()).add(listener); }
  off(event, listener) { this.listeners[event]?.delete(listener); }
  hear(event, ...given) { for (const each of this.listeners[event] ?? []) each(...given); }
}
const bytes = (text) => new DataView(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
const packed = (value) => value instanceof DataView
  ? {bytes: btoa(String.fromCharCode(...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)))} : {plain: value};
const waiting = [];
const toKernel = (message) => waiting.push(message);
window.begin = async (script, style, block) => {
  const sheet = document.createElement('style');
  sheet.textContent = style;
  document.head.append(sheet);
  window.model = new Model({block: bytes(block), picked_rows: [], selected_bytes: null});
  const {default: widget} = await import(URL.createObjectURL(new Blob([script], {type: 'text/javascript'})));
  window.close = await widget.render({model, el: document.getElementById('cell')});
};
window.fromKernel = ({event, content, buffers, state}) => {
  Object.assign(model.state, state ?? {});
  model.hear(event, content, buffers.map(bytes));
};
"""
PAGE = (
    f"<!doctype html><html lang='en'><head><title>notebook</title></head><body><main id='cell'></main><script>{MODEL}</script>"
)
BEGIN = """
import sys
sys.path[:0] = {path!r}
import howfar
run = howfar.load({run!r})
explorer = run.explore()
"""


class Kernel:
    """Start a kernel in a process of its own, run code in it, and carry the messages of the widget's comm."""

    def __init__(self) -> None:
        self.manager = jupyter_client.KernelManager(transport="ipc")
        self.manager.start_kernel()
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.opened: dict[str, Any] = {}
        self.comm = ""
        self.said: list[Any] = []

    def run(self, code: str) -> str:
        """Run code, and return what it printed; what comes over the comm meanwhile is kept."""
        asked, printed = self.client.execute(code), ""
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            kind, content = message["msg_type"], message["content"]
            assert kind != "error", content
            printed += content["text"] if kind == "stream" else ""
            self.keep(message)
            if kind == "status" and content["execution_state"] == "idle" and message["parent_header"]["msg_id"] == asked:
                return printed

    def keep(self, message: Any) -> None:
        """Keep the state of the widget when its comm opens, and later what it says."""
        content = message["content"]
        if message["msg_type"] == "comm_open" and "_esm" in content["data"]["state"]:
            self.opened, self.comm = with_buffers(message), content["comm_id"]
        elif message["msg_type"] == "comm_msg" and content["comm_id"] == self.comm:
            self.said.append(message)

    def poll(self) -> list[Any]:
        """Take what the widget has said since, without waiting for more."""
        with suppress(queue.Empty):
            while True:
                self.keep(self.client.get_iopub_msg(timeout=0.01))
        said, self.said = self.said, []
        return said

    def send(self, data: Any, *buffers: bytes) -> None:
        """Send a message of the widgets' protocol."""
        content = {"comm_id": self.comm, "data": data}
        self.client.session.send(self.client.shell_channel.socket, "comm_msg", content, buffers=list(buffers))

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def with_buffers(message: Any) -> dict[str, Any]:
    """Return the state that a message holds, with the bytes that lie beside it in their places."""
    data = message["content"]["data"]
    buffers = zip(data.get("buffer_paths", ()), message["buffers"], strict=True)
    return {**data["state"], **{path[0]: bytes(buffer) for path, buffer in buffers}}


class Notebook(NamedTuple):
    """The kernel, the page that shows its widget, and all that the page complained of or asked for elsewhere."""

    kernel: Kernel
    page: Any
    noise: list[str]

    def carry(self) -> None:
        """Carry what waits on either side to the other."""
        for said in self.page.evaluate("waiting.splice(0)"):
            if "custom" in said:
                self.kernel.send({"method": "custom", "content": said["custom"]})
            elif "bytes" in said["value"]:
                state = {"method": "update", "state": {}, "buffer_paths": [[said["update"]]]}
                self.kernel.send(state, base64.b64decode(said["value"]["bytes"]))
            else:
                self.kernel.send({"method": "update", "state": {said["update"]: said["value"]["plain"]}, "buffer_paths": []})
        for message in self.kernel.poll():
            data = message["content"]["data"]
            if data["method"] == "custom":
                buffers = [base64.b64encode(buffer).decode() for buffer in message["buffers"]]
                self.page.evaluate("fromKernel", {"event": "msg:custom", "content": data["content"], "buffers": buffers})
            elif data["method"] == "update" and not message["buffers"]:
                for name in data["state"]:
                    self.page.evaluate("fromKernel", {"event": f"change:{name}", "buffers": [], "state": data["state"]})

    def until(self, holds: Callable[[], bool]) -> None:
        """Carry messages until something holds."""
        end = time.monotonic() + 20
        while not holds():
            assert time.monotonic() < end
            self.carry()

    def asked(self, code: str) -> Any:
        """Evaluate an expression of JSON values in the kernel."""
        return json.loads(self.kernel.run(f"import json; print(json.dumps({code}))"))


@pytest.fixture
def notebook(run: Path, browser: Any) -> Iterator[Notebook]:
    kernel = Kernel()
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    noise: list[str] = []
    page.on("console", lambda message: noise.append(message.text))
    page.on("pageerror", lambda error: noise.append(str(error)))
    page.on(
        "request", lambda request: None if request.url.startswith(("data:", "blob:", "about:")) else noise.append(request.url)
    )
    page.set_default_timeout(20_000)
    page.set_content(PAGE)
    kernel.run(BEGIN.format(path=sys.path, run=str(run)))
    block = base64.b64encode(kernel.opened["block"]).decode()
    page.evaluate("(given) => begin(...given)", [kernel.opened["_esm"], kernel.opened["_css"], block])
    yield Notebook(kernel, page, noise)
    page.close()
    kernel.close()


def heading(page: Any) -> str:
    return str(page.locator(".view-wall h3").inner_text())


def test_brush_filter_look_collect_and_have_it_in_python(notebook: Notebook, tmp_path: Path) -> None:
    page = notebook.page
    assert heading(page) == "24 images"
    assert notebook.asked("[len(explorer.selected), len(explorer.picked)]") == [24, 0]
    page.locator(".view-plane select").select_option(label="tunnel")
    stage = page.locator(".view-plane .stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    page.mouse.down()
    for x, y in ((0.996, 0.004), (0.996, 0.996), (0.004, 0.996), (0.004, 0.01)):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)
    page.mouse.up()
    notebook.until(lambda: heading(page) == "10 of 24 images" and page.locator(".tile").count() == 10)
    notebook.until(lambda: notebook.asked("len(explorer.selected)") == 10)
    assert notebook.asked("sorted(set(explorer.selected['dataset']))") == ["tunnel"]
    names = page.locator(".tile .file").all_inner_texts()
    for place in range(7):
        page.locator(".tile .collect").nth(place).click()
    notebook.until(lambda: notebook.asked("len(explorer.picked)") == 7)
    assert notebook.asked("explorer.picked['image'].tolist()") == names[:7]
    assert notebook.asked("explorer.picked['performance'].notna().all().item()") is True
    # Pictures have come from the kernel: small ones on the wall, the large ones of the dialog.
    notebook.until(
        lambda: page.evaluate("[...document.querySelectorAll('.tile img')].filter(e => e.naturalWidth).length") == 10
    )
    page.locator(".tile .open").nth(1).click()
    page.get_by_role("button", name="overlap").click()
    notebook.until(lambda: page.locator(".picture canvas").count() == 1)
    page.keyboard.press("Escape")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as TXT").click()
    assert Path(download.value.path()).read_text().split() == names[:7]
    assert notebook.noise == []


def test_picks_from_python_and_what_cannot_be_had(notebook: Notebook) -> None:
    page = notebook.page
    notebook.kernel.run("explorer.pick([2, 15, 99])\nseen = []\nexplorer.observe(lambda one: seen.append(len(one.picked)))")
    notebook.until(lambda: page.locator(".tray h3").inner_text() == "2 images collected")
    page.get_by_role("button", name="Empty").click()
    notebook.until(lambda: notebook.asked("seen") == [0])
    assert (
        notebook.asked(
            "[explorer._parts.read(x) is None for x in ('image/36', 'image/../3', 'image/-1', '_paths/0', 'mask/3/0')]"
        )
        == [True] * 5
    )
    assert page.locator("#cell").evaluate("e => e.scrollWidth <= e.clientWidth")
    page.evaluate("close()")
    assert notebook.noise == []


def test_a_widget_without_anywidget_is_a_line(comparison: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(MissingExtraError, match=r"explore\(\) needs anywidget: pip install 'howfar\[notebook\]'"):
        comparison.explore()
