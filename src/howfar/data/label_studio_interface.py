"""Write the labelling interface of a Label Studio project, which the tasks that are handed over fit (labelstud.io/tags)."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from howfar.errors import InputError
from howfar.printable import xml_text

CONTROLS = {
    "segmentation": (("BrushLabels", "label"), ("PolygonLabels", "outline")),
    "detection": (("RectangleLabels", "label"),),
    "classification": (("Choices", "label"),),
}
"""By task, the controls and their names; predictions are by the first, which is called ``label``."""


def label_studio_interface(task: str, names: Sequence[str]) -> str:
    """Write the XML that is pasted into a project's *Labeling Interface*, for labels of these names.

    Examples
    --------
    >>> root = ElementTree.fromstring(label_studio_interface("detection", ["car", "<van>"]))
    >>> [label.attrib["value"] for label in root.iter("Label")]
    ['car', '<van>']
    """
    if task not in CONTROLS:
        raise InputError.of("task", f"must be one of {', '.join(CONTROLS)}", task)
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Image", {"name": "image", "value": "$image", "zoom": "true", "zoomControl": "true"})
    for tag, name in CONTROLS[task]:
        chosen = {"choice": "single", "required": "true"} if tag == "Choices" else {}
        control = ElementTree.SubElement(view, tag, {"name": name, "toName": "image", **chosen})
        for label in names:
            ElementTree.SubElement(control, "Choice" if tag == "Choices" else "Label", {"value": xml_text(label)})
    ElementTree.indent(view, "  ")
    return ElementTree.tostring(view, encoding="unicode") + "\n"
