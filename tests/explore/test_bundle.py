"""The committed bundle: it compiles no text, names no address, and cannot end the script that it stands in."""

from __future__ import annotations

import re

from howfar.report.explorer import bundle


def test_it_compiles_no_text_and_asks_for_nothing_elsewhere() -> None:
    script = str(bundle("bundle.js"))
    assert script.startswith("/* howfar, Apache-2.0")
    assert not re.search(
        r"\beval\(|new Function|Function\.apply|importScripts|XMLHttpRequest|WebSocket|EventSource|sendBeacon", script
    )
    assert "//" not in re.sub(r"/\*.*?\*/", "", script, flags=re.DOTALL)
    assert sorted(re.findall(r'fetch\("(\w+)"', script)) == ["data", "picks"]


def test_it_sets_names_as_text_alone() -> None:
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", str(bundle("bundle.js")))


def test_it_cannot_end_the_element_that_holds_it() -> None:
    assert "</script" not in str(bundle("bundle.js")).lower()
    assert "</style" not in str(bundle("bundle.css")).lower()
    assert "url(" not in str(bundle("bundle.css"))
