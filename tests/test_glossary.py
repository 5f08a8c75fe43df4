"""The glossary: every word once, every link leads somewhere, and what a page uses is found on it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import howfar
from howfar import registry
from howfar.errors import UnknownNameError
from howfar.glossary import explain, glossary, names, terms_in

DOCS = Path(__file__).resolve().parents[1] / "docs"
PLAIN = {
    "about", "change", "checked", "components", "dataset", "detail", "different", "disk", "first in", "first that differs",
    "follows edges", "labels", "outcome", "predicted answer", "question",
    "hold", "image", "images", "images to embed", "input", "label", "largest relative difference", "last used",
    "left by killed writers", "licence", "marks", "masks", "mean probability", "median margin", "name", "nearest", "of it sums",
    "pairs", "panel", "perturbation", "pixels", "place", "prompt", "shards", "size", "state", "study", "symbol", "terms",
    "time", "took", "trainings", "type", "value", "values", "variation", "violated", "weights", "what it is", "why",
    "wish", "without checksum", "damaged", "checksums added", "shards merged", "what", "where",
}  # fmt: skip
"""Column heads that say themselves what they hold."""


def test_links_lead_somewhere():
    known = {term.name for term in glossary()}
    assert [(term.name, name) for term in glossary() for name in term.see if name not in known or name == term.name] == []
    assert [term.page for term in (*glossary(), *names()) if not (DOCS / term.page).is_file()] == []


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("Relative", "relative"),
        ("i_dist", "I^dist"),
        ("P", "primary dataset"),
        ("p", "p-value"),
        ("95 % ci", "interval"),
        *((word, word) for word in ("slope", "Spearman", "coverage", "AUROC", "AURC")),
        ("error, set", "error of an estimator"),
    ],
)
def test_a_word_is_found_by_any_spelling(word, name):
    assert explain(word).name == name


def headers(file: Path) -> Iterator[str]:
    """Yield the column heads that a file prints: of variables named header, functions named table and each TableColumn."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        values: list[ast.AST | None] = []
        if isinstance(node, ast.Assign | ast.AnnAssign) and "header" in ast.unparse(node).partition("=")[0].lower():
            values = [node.value]
        elif isinstance(node, ast.FunctionDef) and (node.name == "table" or node.name.endswith("_table")):
            returned = [each.value for each in ast.walk(node) if isinstance(each, ast.Return)]
            values = [value.elts[0] for value in returned if isinstance(value, ast.Tuple)]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "TableColumn":
            values = [ast.Tuple(node.args[:1])]
        for value in values:
            for cell in value.elts if isinstance(value, ast.Tuple | ast.List) else ():
                if isinstance(cell, ast.Constant):
                    yield re.sub(r" \[.*?\]| \(.*?\)| <.*", "", str(cell.value))


def test_every_column_and_registered_name_is_explained_or_a_plain_word() -> None:
    folders = [Path(howfar.__file__).parent / name for name in ("cli", "results", "paper", "studies", "report")]
    words = {word for folder in folders for file in folder.rglob("*.py") for word in headers(file)}
    assert {"listed", "gate", "error, set", "beyond 95 %"} <= words
    kinds = ("estimators", "strategies", "image_distances", "dataset_distances", "adaptation_ways")
    words |= {name for kind in kinds for name in registry.OURS[kind]}
    words |= {
        "mAP",
        "IoU",
        "dice",
        "beyond",
        "pooled",
        "held",
        "ods_threshold",
        "ois_aggregate",
        "map_50",
        "false_positive_share",
    }
    unknown = set()
    for word in words - PLAIN:
        try:
            explain(word)
        except UnknownNameError:
            unknown.add(word)
    assert unknown == set(), "add them to glossary.toml, or to PLAIN if every reader knows them"


def test_terms_are_whole_words():
    assert [term.name for term in terms_in("The P of it. Mapping, Francs, so-called S-shaped")] == ["primary dataset"]
    assert [term.name for term in terms_in("ODS falls; the Gate is shut")] == ["ODS", "gate"]
    assert terms_in("nothing here is of a kind that needs words") == []
