"""Whole reports, figures and all, as axe-core sees them: on a screen and on a phone, light and dark."""

from __future__ import annotations

from typing import Any

import pytest

from explore_pages import violations


@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["related_report", "study_report"])
def test_axe_finds_nothing(browser: Any, request: pytest.FixtureRequest, name: str, scheme: str, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(request.getfixturevalue(name).as_uri())
    page.wait_for_selector("#explore-app[data-ready]", state="attached")
    assert violations(page) == []
    page.close()
