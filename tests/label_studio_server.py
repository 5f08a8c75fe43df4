"""Start a real Label Studio for tests, or take the one that HOWFAR_TEST_LABEL_STUDIO and LABEL_STUDIO_API_KEY name."""

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, Request, build_opener

import pytest

USER, PASSWORD = "tester@example.com", "a-long-password"
PATIENCE = 500
"""Seconds that a first start may take: it fills a new SQLite database."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def running(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the URL and a personal access token of a Label Studio; skip where there is none."""
    pytest.importorskip("label_studio_sdk", reason="label-studio-sdk is not installed: pip install 'howfar[labelstudio]'")
    url = os.environ.get("HOWFAR_TEST_LABEL_STUDIO")
    if url:
        yield url, os.environ["LABEL_STUDIO_API_KEY"]
        return
    command = shutil.which("label-studio")
    if command is None:
        where = "pip install label-studio (a venv of its own will do), or name a server in HOWFAR_TEST_LABEL_STUDIO"
        pytest.skip(f"no Label Studio runs: {where}, with its key in LABEL_STUDIO_API_KEY")
    port = free_port()
    quiet = {"LABEL_STUDIO_BASE_DATA_DIR": str(folder), "COLLECT_ANALYTICS": "false", "LATEST_VERSION_CHECK": "false"}
    arguments = ("start", "--no-browser", "--port", str(port), "--username", USER, "--password", PASSWORD)
    with (folder / "log.txt").open("wb") as log:
        server = subprocess.Popen([command, *arguments], cwd=folder, stdout=log, stderr=log, env={**os.environ, **quiet})
    try:
        yield f"http://127.0.0.1:{port}", token(f"http://127.0.0.1:{port}")
    finally:
        server.terminate()
        server.wait(60)


def token(url: str) -> str:
    """Log in as a person does, and make a personal access token: legacy tokens are switched off."""
    jar = CookieJar()
    browser = build_opener(HTTPCookieProcessor(jar))
    page = first_answer(browser, f"{url}/user/login/")
    hidden = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', page)
    assert hidden is not None
    form = {"csrfmiddlewaretoken": hidden[1], "email": USER, "password": PASSWORD}
    browser.open(Request(f"{url}/user/login/", urlencode(form).encode(), {"Referer": url}), timeout=120)
    cookie = next(each.value for each in jar if each.name == "csrftoken")
    headers = {"Referer": url, "X-CSRFToken": str(cookie), "Content-Type": "application/json"}
    with browser.open(Request(f"{url}/api/token/", b"{}", headers), timeout=120) as answer:
        return str(json.load(answer)["token"])


def first_answer(browser: OpenerDirector, url: str) -> str:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with browser.open(url, timeout=60) as answer:
                return str(answer.read().decode())
        except (URLError, ConnectionError, TimeoutError):
            if time.monotonic() > end:
                raise
            time.sleep(1)
