from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.text import Text

from howfar.figures import registration
from howfar.figures.pictures import near_duplicates, shown_pairs
from howfar.report import comparison
from howfar.report.comparison import NEAR_DUPLICATES
from howfar.results import Comparison
from howfar.results.comparison import COPIES


@pytest.fixture
def copied(six: Comparison) -> Comparison:
    """Two images of the first dataset that are P's, an equal and a mirrored one, and one that is another of its own."""
    images = six.images[six.images["dataset"] == six.datasets[0].name].reset_index(drop=True)
    name, primary = six.datasets[0].name, six.primary.name
    rows = [
        (primary, "p1.png", "equal", "content", 1.0, False),
        (primary, "p2.png", "near", "hash", 0.9, True),
        (name, images["image"][3], "near", "features", 0.7, False),
    ]
    table = [
        (name, images["image"][at], images["path"][at], other, image, images["path"][5], kind, by, agreed, turned, False)
        for at, (other, image, kind, by, agreed, turned) in enumerate(rows)
    ]
    return replace(six, near_duplicates=pd.DataFrame(table, columns=list(COPIES)).astype(COPIES))


def test_there_is_no_section_without_copies(six: Comparison, copied: Comparison) -> None:
    assert NEAR_DUPLICATES.content(six, None) is None
    content = NEAR_DUPLICATES.content(copied, None)
    assert content is not None
    assert content.lead.startswith("3 pairs of images are equal or nearly so.")


def test_the_figure_shows_nearly_equal_pairs_of_p_first(copied: Comparison, six: Comparison) -> None:
    words = registration("near_duplicates", near_duplicates)
    assert words.shows(copied)
    assert not words.shows(six)
    assert shown_pairs(copied)["agreement"].tolist() == [0.9, 0.7]
    listed = [row[0].text for row in comparison.pairs(copied).rows if row[2].text.startswith("nearly")]
    assert shown_pairs(copied)["image"].tolist() == listed
    figure = near_duplicates(copied, limit=1)
    figure.draw_without_rendering()
    seen = "\n".join(text.get_text() for text in figure.findobj(Text))
    assert "90 %, mirrored" in seen
    assert "1 of 2 pairs are shown" in seen
    assert "p2.png" in words.caption(copied).alternative


def test_files_that_are_gone_are_boxes(copied: Comparison, tmp_path: Path) -> None:
    gone = replace(copied, near_duplicates=copied.near_duplicates.assign(path=str(tmp_path / "gone.png")))
    figure = near_duplicates(gone)
    figure.draw_without_rendering()
    assert any(text.get_text() == "not found" for text in figure.findobj(Text))
