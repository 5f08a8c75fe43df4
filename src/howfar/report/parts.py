"""Define what a section of a study's report is made of: sentences, tables and figures, each with the paper's number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from howfar.figures.registration import Caption
from howfar.report.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class TablePart:
    """Hold a table of a section.

    Attributes
    ----------
    name
        File name without ending, which no other table of the section has.
    title, text
        What it shows; how to read it.
    table
        Its columns and rows.
    label
        The paper's number, as "Table 6", where it is the paper's table.
    printed
        The numbers that the paper printed for datasets of the same kind, which stand beside; None where there are none.
    """

    name: str
    title: str
    table: Table
    text: str = ""
    label: str = ""
    printed: Table | None = None


@dataclass(frozen=True)
class FigurePart:
    """Hold a figure of a section, which is drawn when the page is made.

    Attributes
    ----------
    name
        File name without ending, which no other figure of the section has.
    draw
        Makes the figure.
    caption
        Its heading, how to read it, and the numbers in words for those who do not see it.
    label
        The paper's number, as "Figs. 30" or "Figure 3", where it is after the paper's figure.
    """

    name: str
    draw: Callable[[], Figure]
    caption: Caption
    label: str = ""


Part: TypeAlias = TablePart | FigurePart


@dataclass(frozen=True)
class Section:
    """Hold the section of one study: a sentence that answers its question, further sentences, then tables and figures.

    Attributes
    ----------
    lead
        The answer in one sentence, computed from the numbers.
    parts
        Tables and figures in their order.
    sentences
        What else the numbers say, and how they are to be read.
    limits
        When the numbers mislead, and what they do not say.
    """

    lead: str
    parts: Sequence[Part]
    sentences: Sequence[str] = ()
    limits: Sequence[str] = ()


@dataclass(frozen=True)
class Context:
    """Hold what a section may need beside its result.

    Attributes
    ----------
    folder
        The folder of the study's result, below which its maps lie.
    symbols
        By dataset the paper's symbol of the dataset whose kind it is (P, S_1 …), where the study file says one.
    """

    folder: Path
    symbols: Mapping[str, str] = field(default_factory=dict)
