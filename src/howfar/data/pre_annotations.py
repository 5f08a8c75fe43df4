"""Hold predictions as pre-annotations, first labels that annotators correct, and map label names of model and labelling tool.

A model's foreground and boxes stand in the files of COCO, CVAT and Label Studio as labels to correct (pre-annotations). A class
does so for Label Studio alone, which keeps predictions and annotations apart.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as with_changes
from pathlib import Path
from typing import TypeAlias

from howfar.data.annotations import CATEGORY, Mark, MarkedImage, Shape
from howfar.errors import InputError

Boxes: TypeAlias = Sequence[tuple[str, Sequence[float]]]
"""The class and the corners x0, y0, x1, y1, in pixels, of the boxes of one image."""


Named: TypeAlias = str | Sequence[str] | Mapping[str, str]


@dataclass(frozen=True)
class LabelNames:
    """Map a tool's label names, in order, to the dataset's ("" is left out); without any, both call every label the same."""

    given: Mapping[str, str]

    def in_tool(self, label: str) -> str:
        """Return the tool's name for a label of the model, by default the label itself."""
        return next((name for name, own in self.given.items() if own == label), label)

    def in_dataset(self, name: str) -> str | None:
        """Return the dataset's name for a label of the tool: "" if it is left out, None if it is unknown."""
        return self.given.get(name) if self.given else name

    def offered(self, own: Iterable[str] = ()) -> tuple[str, ...]:
        """Return the label names that a tool offers: the given names, then the model's labels without another name."""
        return tuple(dict.fromkeys((*self.given, *map(self.in_tool, own))))


def label_names(names: Named, task: str) -> LabelNames:
    """Parse ``NAME``, ``MODEL=NAME`` (a renamed label of the model) or ``=NAME`` (a label that import leaves out).

    Where masks are labelled every name that is given alone is one of the foreground.
    """
    if isinstance(names, Mapping):
        pairs = [(str(own), str(name)) for own, name in names.items()]
    elif isinstance(names, (str, Sequence)):
        pairs = []
        for text in [names] if isinstance(names, str) else names:
            if not isinstance(text, str):
                raise InputError.of("label_names", "must be texts", text, "write NAME or MODEL=NAME")
            own, equals, name = text.partition("=")
            alone = CATEGORY if task == "segmentation" else text
            pairs.append((own, name) if equals else (alone, text))
    else:
        raise InputError.of("label_names", "must be texts, or pairs of the model's label and its name", names)
    given: dict[str, str] = {}
    for own, name in pairs:
        if not name.strip():
            raise InputError.of("label_names", "must name each label", name, "write NAME or MODEL=NAME")
        if name in given:
            raise InputError.of("label_names", "must give each name once", name)
        given[name.strip()] = own.strip()
    return LabelNames(given)


@dataclass(frozen=True, eq=False)
class FirstLabels:
    """Hold the pre-annotations (first labels) of one task by image name; an image in none of the mappings has none.

    `names` are the tool's for the labels, `own` the labels that the model may give. `foregrounds` are functions that return the
    model's foreground, (h, w); `maps` are files of its maps of classes. `faults` say why an answered image has no first label.
    """

    task: str = "segmentation"
    names: LabelNames = field(default_factory=lambda: LabelNames({}))
    own: tuple[str, ...] = ()
    foregrounds: Mapping[str, Callable[[], Shape]] = field(default_factory=dict)
    boxes: Mapping[str, Boxes] = field(default_factory=dict)
    classes: Mapping[str, str] = field(default_factory=dict)
    maps: Mapping[str, Path] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)

    def offered(self) -> tuple[str, ...]:
        """Return the label names that the tool offers; for masks, the foreground's name comes first."""
        return self.names.offered(() if self.task == "segmentation" and self.names.given else self.own)

    def on(self, image: MarkedImage) -> MarkedImage:
        """Return an image with its first labels as marks, named as in the labelling tool."""
        marks: list[Mark] = []
        if label := self.classes.get(image.name):
            marks.append(Mark(self.names.in_tool(label), "class"))
        if image.name in self.foregrounds:
            marks.append(Mark((self.offered() or (CATEGORY,))[0], "mask", self.foregrounds[image.name]))
        for own, (left, top, right, bottom) in self.boxes.get(image.name, ()):
            marks.append(Mark.of_box(self.names.in_tool(own), "box", (left, top, right, bottom), image.size or (0, 0)))
        return with_changes(image, marks=tuple(marks), looked_at=self.task == "detection" or None)
