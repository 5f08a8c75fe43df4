"""Leave out the pages of results, which take seconds to draw and have tests of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from howfar import registry

REPORTS = registry.OURS["reports"]
"""What draws them: a test that is of a page puts it back."""
FILES = ("selection", "to_label")
"""What writes files and no page."""


def page(result: Any, folder: Path, **beside: Any) -> Path:
    """Name the page that is not drawn."""
    return folder / "report.html"


@pytest.fixture(scope="module")
def undrawn() -> Iterator[None]:
    """Draw no page in the tests of a file."""
    with pytest.MonkeyPatch.context() as patch:
        kept = {name: REPORTS[name] for name in FILES}
        patch.setitem(registry.OURS, "reports", {**dict.fromkeys(REPORTS, "undrawn:page"), **kept})  # type: ignore[arg-type]
        yield


@contextmanager
def no_figures() -> Iterator[None]:
    """Draw pages without their figures, which take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        for kind in ("figures", "relation_figures", "adaptation_figures"):
            patch.setitem(registry.OURS, kind, {})  # type: ignore[arg-type]  # it is a dict
        yield


@pytest.fixture
def without_figures() -> Iterator[None]:
    """For tests that look at no figure."""
    with no_figures():
        yield
