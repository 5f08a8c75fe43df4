"""Read what a user calls the labels in a labelling tool, and translate between these names and the model's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from howfar.data.labelling import CATEGORY
from howfar.errors import InputError

Named: TypeAlias = str | Sequence[str] | Mapping[str, str]


@dataclass(frozen=True)
class LabelNames:
    """Hold the names of labels in a tool, in order, each with what the dataset calls it; "" for a label that is left out.

    Without any (`given` is empty) every label is called the same in both.
    """

    given: Mapping[str, str]

    def in_tool(self, label: str) -> str:
        """Return what the tool calls a label of the model; the model's own word where nothing else is said.

        Examples
        --------
        >>> label_names(["0=car", "van"], "detection").in_tool("0")
        'car'
        """
        return next((name for name, own in self.given.items() if own == label), label)

    def in_dataset(self, name: str) -> str | None:
        """Return what the dataset calls a label of the tool, "" where it is left out, None where it is not named.

        Examples
        --------
        >>> names = label_names(["0=car", "=shadow"], "detection")
        >>> names.in_dataset("car"), names.in_dataset("shadow"), names.in_dataset("tree")
        ('0', '', None)
        """
        return self.given.get(name) if self.given else name

    def offered(self, own: Iterable[str] = ()) -> tuple[str, ...]:
        """Return the names that a tool offers: those given, then those of the model's own labels that have no other name.

        Examples
        --------
        >>> label_names(["0=car", "van"], "detection").offered(["0", "1"])
        ('car', 'van', '1')
        """
        return tuple(dict.fromkeys((*self.given, *map(self.in_tool, own))))


def label_names(names: Named, task: str) -> LabelNames:
    """Read names as ``NAME``, or as ``MODEL=NAME`` where the model calls it otherwise; ``=NAME`` leaves a label out on import.

    Where masks are labelled every name that is given alone is one of the foreground. Raises `InputError` for a name that is
    empty or there twice.

    Examples
    --------
    >>> label_names("Riß & <b>", "segmentation").given
    {'Riß & <b>': 'foreground'}
    >>> label_names({"0": "car"}, "detection").given
    {'car': '0'}
    """
    if isinstance(names, Mapping):
        pairs = [(str(own), str(name)) for own, name in names.items()]
    elif isinstance(names, (str, Sequence)):
        pairs = [_pair(text, task) for text in ([names] if isinstance(names, str) else names)]
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


def _pair(text: object, task: str) -> tuple[str, str]:
    if not isinstance(text, str):
        raise InputError.of("label_names", "must be texts", text, "write NAME or MODEL=NAME")
    own, equals, name = text.partition("=")
    if equals:
        return own, name
    return (CATEGORY if task == "segmentation" else text), text
