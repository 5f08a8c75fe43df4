"""The committed bundle: it compiles no text, names no address, and cannot end the script that it stands in."""

from __future__ import annotations

import re

import pytest

from howfar.report.explorer import bundle


@pytest.mark.parametrize(("name", "asks"), [("bundle.js", ["data", "picks"]), ("widget.js", [])])
def test_it_compiles_no_text_and_asks_for_nothing_elsewhere(name: str, asks: list[str]) -> None:
    script = str(bundle(name))
    assert script.startswith("/* howfar, Apache-2.0")
    assert not re.search(
        r"\beval\(|new Function|Function\.apply|importScripts|XMLHttpRequest|WebSocket|EventSource|sendBeacon", script
    )
    assert "//" not in re.sub(r"/\*.*?\*/", "", script, flags=re.DOTALL)
    assert sorted(re.findall(r'fetch\("(\w+)"', script)) == asks


def test_it_sets_names_as_text_alone() -> None:
    for name in ("bundle.js", "widget.js"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", str(bundle(name)))


def test_it_cannot_end_the_element_that_holds_it() -> None:
    assert "</script" not in str(bundle("bundle.js")).lower()
    assert "</style" not in str(bundle("bundle.css")).lower()
    assert not any("url(" in str(bundle(name)) for name in ("bundle.css", "widget.css"))


def test_the_widget_styles_nothing_but_itself() -> None:
    rules = re.findall(r"([^{}]+)\{", re.sub(r"@(media|container)[^{]*\{", "", str(bundle("widget.css"))))
    assert len(rules) > 50
    assert {rule for rule in rules if "howfar-explore" not in rule} <= {"#explore"}
