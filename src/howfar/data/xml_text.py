"""Parse XML of outside files, and count first what it will take in memory."""

from __future__ import annotations

from xml.etree import ElementTree

from howfar.memory import check_file

_TAG, _ATTRIBUTE = 130, 150
"""Bytes that a tag and an attribute of XML take at the most."""


def parsed_xml(data: bytes, name: object, size: int) -> ElementTree.Element:
    """Parse the bytes of an XML file and return its root; `name` and `size` are the file's.

    Raises `InputError` where it takes more memory than is allowed, and `ElementTree.ParseError`, `LookupError` or `ValueError`
    where it is damaged.

    Examples
    --------
    >>> parsed_xml(b"<annotation><filename>1.jpg</filename></annotation>", "1.xml", 51).findtext("filename")
    '1.jpg'
    """
    check_file(len(data) + _TAG * data.count(b"<") + _ATTRIBUTE * data.count(b"="), name, size)
    return ElementTree.fromstring(data)
