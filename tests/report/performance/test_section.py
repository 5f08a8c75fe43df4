"""The page with a relation: its sections, its words, and what of it is there without one."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from howfar import registry
from howfar.errors import InputError, StoreError
from howfar.report.comparison import write_report
from howfar.results import Comparison, Relation

if TYPE_CHECKING:
    Page = Any

DRAWN = ("performance", "parts", "thresholds", "judgements", "estimates")
CAUTION = "Distance is not performance. These numbers say how unlike P the images look"


@pytest.fixture
def quick(without_figures: None, tmp_path: Path, page: Page) -> Callable[..., Page]:
    """The page of a result without its figures."""

    def write(comparison: Comparison, relation: Relation | None = None) -> Page:
        return type(page)(write_report(comparison, tmp_path, relation).read_text(encoding="utf-8"))

    return write


def anchors(page: Page) -> list[str]:
    return [attributes["href"][1:] for attributes in page.of("a") if attributes["href"].startswith("#")]


def test_figures_lie_beside_those_of_the_comparison(related_report: Path) -> None:
    names = {path.name for path in (related_report.parent / "figures").iterdir()}
    assert {f"{name}.{kind}" for name in DRAWN for kind in ("png", "svg")} | {"failures.png"} <= names
    assert "failures.svg" not in names
    assert {"violin.svg", "thumbnails.png"} <= names


def test_the_page_is_whole_and_sound(related_page: Page, related_report: Path) -> None:
    assert related_page.open == []
    found = [attributes["id"] for _, attributes in related_page.tags if "id" in attributes]
    assert len(found) == len(set(found))
    assert set(anchors(related_page)) <= set(found)
    assert {"performance", "estimates", "failures"} <= set(anchors(related_page))
    assert len(related_page.of("figcaption")) == len(related_page.of("figure")) == 5 + 6
    assert all(one.get("aria-label") for one in related_page.of("div") if one.get("role") in ("img", "region"))
    assert all(one.get("scope") in ("col", "row") for one in related_page.of("th"))
    source = related_report.read_text()
    assert not re.search(r"url\((?!#)", source)
    assert related_report.stat().st_size < 6_000_000


def test_the_caution_gives_way_to_what_was_measured(
    quick: Callable[..., Page], six: Comparison, related: Relation, relations: ModuleType
) -> None:
    assert CAUTION in quick(six).text
    measured = quick(six, related).text
    assert CAUTION not in measured
    assert "Distance is not performance , and here performance was measured too." in measured
    names = tuple(one.name for one in six.datasets)
    for options in ({"unlabelled": names}, {"unlabelled": names[1:], "blank": names[:1]}):
        assert CAUTION in quick(six, relations.of_comparison(six, **options)).text


def test_without_a_relation_nothing_is_said_of_one(page: Page, report: Path) -> None:
    assert not {"performance", "estimates", "failures"} & set(anchors(page))
    assert {path.stem for path in (report.parent / "figures").iterdir()} == set(registry.OURS["figures"]) - {"near_duplicates"}
    assert "labelled" not in page.text
    assert "estimator" not in page.text


def test_the_relation_of_the_folder_is_found(
    quick: Callable[..., Page], six: Comparison, related: Relation, tmp_path: Path
) -> None:
    related.save(tmp_path)
    assert "performance" in anchors(quick(six))
    Relation.discard(tmp_path)
    assert "performance" not in anchors(quick(six))


def test_a_damaged_relation_is_an_error(quick: Callable[..., Page], six: Comparison, related: Relation, tmp_path: Path) -> None:
    related.save(tmp_path)
    (tmp_path / "relation.json").write_text("{")
    with pytest.raises(StoreError, match="run relate again"):
        quick(six)


def test_a_relation_of_another_run_is_refused(quick: Callable[..., Page], six: Comparison, relations: ModuleType) -> None:
    with pytest.raises(InputError, match=r"relation must be of this run, whose datasets are roads-dry, .*, got 'roads'"):
        quick(six, relations.sized({"roads": 9}))


def test_figures_of_a_relation_that_is_gone_go_too(
    six: Comparison, related: Relation, tmp_path: Path, believable: ModuleType
) -> None:
    one = believable.only(six, 5)
    (tmp_path / "figures").mkdir()
    old = tmp_path / "figures" / "judgements.svg"
    other = tmp_path / "figures" / "mine.svg"
    for path in (old, other):
        path.write_text("<svg/>")
    write_report(one, tmp_path)
    assert not old.exists()
    assert other.exists()
