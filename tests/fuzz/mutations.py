"""Damage small valid files: bits, cuts, insertions and repeats of any file, and values and structure of those that have it."""

import io
import json
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any, TypeAlias

from fuzz.table_mutations import arrow, parquet

Mutation: TypeAlias = Callable[[bytes, random.Random], bytes]

NUMBERS = (
    0, 1, -1, 2, 127, 255, 256, 65535, 2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64, 10**30, 1e-320, 1e308, -1e308, 0.5,
)  # fmt: skip
TEXTS = (
    "", " ", "\0", "a\0b", "\ud800", "é", "😀", "x" * 3000, "9" * 5000, "-", "../../x", "/", "..", "nan", "inf", "-0", "1e999",
    "null", "true", "a\nb", "a,b", '"', "{}", "[]", "=1+1", "0x10", "1_000", "1970-01-01", "\u202e", "%s", "${X}", "file:///x",
)  # fmt: skip
RAW = (
    b"\0", b"\xff", b"\xff\xff\xff\xff", b"\x80", b"\x7f\xff\xff\xff", b"\0" * 8, b"\xff" * 8, b"\x00\x00\x00\x80", b"\n",
    b"9" * 40,
)  # fmt: skip
SIDES = (
    "2**9", "10**12, 1", "-1, 4", "0, 4", "3, 0", "", "1, 2, 3", "4294967296, 4294967296", "True, 4", "1.5, 2", "3", "9" * 5000,
)  # fmt: skip
"""Shapes in the header of an .npy file."""
HEADERS = (
    "", "{}", "[]", "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", "(" * 5000, "'", '"""', "\0",
    "-" * 9000 + "1", "\t1\n 2",
)  # fmt: skip
FIELDS = (
    b"\x80" + b"\0" * 10 + b"\x01", b"77777777777\0", b"00000000000\0", b"-1", b"../../x", b"5", b"x", b"g", b"L", b"S",
    b"2", b"",
)  # fmt: skip
"""Fields in the header of a member of a tar file."""


def damage(name: str, data: bytes, rng: random.Random) -> bytes:
    """Damage a file once to three times, by its ending in half of the cases, else as bytes."""
    structured = BY_ENDING.get(PurePosixPath(name).suffix.lower())
    for time in range(rng.choice((1, 1, 1, 2, 3))):
        # Arrow itself could end the interpreter over what was damaged before.
        if structured is not None and rng.random() < 0.6 and not (time and structured in (parquet, arrow)):
            try:
                data = structured(data, rng)
                continue
            except Exception:  # what was damaged before has no structure any more
                data = data[:]
        data = anything(data, rng)
    return data


def anything(data: bytes, rng: random.Random) -> bytes:
    """Damage bytes: flip bits, replace, insert, cut out, cut off, repeat or swap a piece."""
    if not data:
        return rng.choice(RAW)
    place = rng.randrange(len(data))
    # Headers and footers hold what rules the rest.
    if rng.random() < 0.4:
        near = rng.randrange(min(len(data), 256))
        place = near if rng.random() < 0.5 else len(data) - 1 - near
    length = min(len(data) - place, rng.choice((1, 1, 2, 4, 8, 16, 64, 512)))
    kind = rng.randrange(9)
    if kind <= 2:
        changed = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 8))):
            changed[min(len(data) - 1, place + rng.randrange(16))] ^= 1 << rng.randrange(8)
        return bytes(changed)
    if kind == 3:
        piece = rng.choice(RAW)
        return data[:place] + piece + data[place + len(piece) :]
    if kind == 4:
        return data[:place] + rng.choice(RAW) + data[place:]
    if kind == 5:
        return data[:place] + data[place + length :]
    if kind == 6:
        return data[:place]
    if kind == 7:
        return data[: place + length] + data[place : place + length] * rng.choice((1, 2, 50)) + data[place + length :]
    other = rng.randrange(len(data))
    return data[:place] + data[other : other + length] + data[place + length :]


def some_value(rng: random.Random) -> Any:
    """Draw a JSON value of any kind: extreme, empty, deep or long."""
    kind = rng.randrange(8)
    if kind <= 1:
        return rng.choice(NUMBERS)
    if kind == 2:
        return rng.choice(TEXTS)
    if kind == 3:
        return rng.choice((None, True, False, float("nan"), float("inf"), [], {}, [[]], [None], {"": None}))
    if kind == 4:
        return [rng.choice(NUMBERS) for _ in range(rng.choice((1, 2, 3, 4, 300)))]
    if kind == 5:
        return {rng.choice(TEXTS): rng.choice(NUMBERS), "a": rng.choice(TEXTS)}
    if kind == 6:
        return [rng.choice(TEXTS)] * rng.choice((1, 2, 4))
    nested: Any = 1
    for _ in range(rng.choice((3, 20))):
        nested = [nested] if rng.random() < 0.5 else {"a": nested}
    return nested


def change_tree(document: Any, rng: random.Random) -> Any:
    """Replace, remove, repeat or exchange one value of a tree of JSON values."""
    places: list[tuple[Any, Any]] = []
    waiting = [document]
    while waiting:
        node = waiting.pop()
        pairs = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
        places += [(node, key) for key, _ in pairs]
        waiting += [value for _, value in pairs]
    if not places or rng.random() < 0.02:
        return some_value(rng)
    node, key = rng.choice(places)
    kind = rng.randrange(6)
    if kind == 0:
        del node[key]
    elif kind == 1 and isinstance(node, list):
        node.insert(key, node[key])
    elif kind == 1:
        node[rng.choice(TEXTS)] = node.pop(key)
    elif kind == 2:
        other, its = rng.choice(places)
        if its in other if isinstance(other, dict) else its < len(other):
            node[key] = json.loads(json.dumps(other[its]))
    else:
        node[key] = some_value(rng)
    return document


def json_file(data: bytes, rng: random.Random) -> bytes:
    """Change a value of a JSON file, write a number of thousands of digits, or nest brackets by thousands."""
    kind = rng.random()
    if kind < 0.06:
        return re.sub(rb"\b\d+\b", b"9" * rng.choice((400, 4301, 9000)), data, count=1)
    if kind < 0.1:
        deep = rng.choice((b"[", b'{"a":')) * rng.choice((1000, 100_000))
        place = data.find(b":", rng.randrange(len(data))) + 1
        return data[:place] + deep + data[place:]
    return json.dumps(change_tree(json.loads(data), rng)).encode("utf-8", "surrogatepass")


def lines(data: bytes, rng: random.Random) -> bytes:
    """Change a text of lines: a word, a number, a cell or a line, replaced, doubled or exchanged."""
    text = data.decode("utf-8", "replace")
    rows = text.split("\n")
    row = rng.randrange(len(rows))
    kind = rng.randrange(6)
    if kind == 0:
        rows.insert(row, rows[row])
    elif kind == 1:
        del rows[row]
    elif kind == 2:
        rows[row], rows[0] = rows[0], rows[row]
    else:
        words = list(re.finditer(r"[^\s,:=\[\]{}\"]+", rows[row]))
        if words:
            word = rng.choice(words)
            value = some_value(rng)
            new = value if isinstance(value, str) else rng.choice((json.dumps(value), str(value)))
            rows[row] = rows[row][: word.start()] + new + rows[row][word.end() :]
        else:
            rows[row] = rng.choice(TEXTS)
    return "\n".join(rows).encode("utf-8", "surrogatepass")


def zip_file(data: bytes, rng: random.Random) -> bytes:
    """Damage one member of a zip file, whose checksum fits all the same; or leave out, rename or repeat a member."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    place = rng.randrange(len(members))
    name, content = members[place]
    kind = rng.randrange(8)
    if kind == 0:
        del members[place]
    elif kind == 1:
        members[place] = (rng.choice(("x", "../x", "manifest.json", name + "x", "a/" + name)), content)
    else:
        members[place] = (name, damage(name, content, rng))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members:
            archive.writestr(name, content, rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))
    return buffer.getvalue()


def png(data: bytes, rng: random.Random) -> bytes:
    """Damage one chunk of a PNG file, whose checksum fits all the same."""
    chunks, place = [], 8
    while place + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        chunks.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    chosen = rng.randrange(len(chunks))
    tag, content = chunks[chosen]
    kind = rng.randrange(6)
    if kind == 0:
        chunks.insert(chosen, chunks[chosen])
    elif kind == 1:
        del chunks[chosen]
    elif kind == 2 and tag == b"IDAT":
        chunks[chosen] = (tag, zlib.compress(anything(zlib.decompress(content), rng)))
    elif kind == 3:
        extra = rng.choice((b"tRNS", b"PLTE", b"eXIf", b"zTXt", b"iTXt", b"iCCP", b"gAMA", b"acTL", b"sBIT", b"pHYs"))
        chunks.insert(
            chosen, (extra, rng.choice((b"", b"x\0\0", b"\0" * 6, zlib.compress(b"y" * 9), b"k\0\0" + zlib.compress(b"z"))))
        )
    elif tag == b"IHDR" and len(content) == 13:
        sides = [rng.choice((0, 1, 4, 8, 5000, 13_000, 2**31 - 1, 2**32 - 1)) for _ in range(2)]
        chunks[chosen] = (tag, struct.pack(">II", *sides) + bytes(rng.choice((content[8:], bytes((16, 6, 0, 0, 1))))))
    else:
        chunks[chosen] = (tag, anything(content, rng))
    packed = (struct.pack(">I", len(each)) + tag + each + struct.pack(">I", zlib.crc32(tag + each)) for tag, each in chunks)
    return data[:8] + b"".join(packed)


def npy(data: bytes, rng: random.Random) -> bytes:
    """Change the header of an .npy file, whose length fits all the same, or put something else in its place."""
    (length,) = struct.unpack_from("<H", data, 8)
    header, rest = data[10 : 10 + length].decode("latin1"), data[10 + length :]
    kind = rng.randrange(8)
    if kind == 0:
        header = re.sub(
            r"'<?[a-z]\d*'", repr(rng.choice(("O", "<f2", "<M8[ns]", "<U9999", "V8", "S3", "<c16", "|b1", ">f8", "q?"))), header
        )
    elif kind <= 2:
        sides = rng.choice(SIDES)
        header = re.sub(r"\([^)]*\)", lambda _: f"({sides})", header)
    elif kind == 3:
        header = header.replace("False", rng.choice(("True", "None", "0", "[]", "x", "lambda: 0", "{", "'")))
    elif kind == 4:
        header = rng.choice(HEADERS)
    else:
        header = anything(header.encode("latin1"), rng).decode("latin1")
    packed = header.encode("latin1")
    return data[:8] + struct.pack("<H", len(packed) & 0xFFFF) + packed + rest


def safetensors(data: bytes, rng: random.Random) -> bytes:
    """Change the JSON header of a safetensors file, or the JSON that its metadata hold, whose lengths fit all the same."""
    (length,) = struct.unpack_from("<Q", data, 0)
    header, rest = json.loads(data[8 : 8 + length]), data[8 + length :]
    about = header.get("__metadata__", {})
    if about and rng.random() < 0.8:
        key = rng.choice(list(about))
        about[key] = json_file(about[key].encode(), rng).decode("utf-8", "replace")
    else:
        header = change_tree(header, rng)
    packed = json.dumps(header).encode("utf-8", "replace")
    return struct.pack("<Q", len(packed)) + packed + rest


def tar(data: bytes, rng: random.Random) -> bytes:
    """Change a field of one header of a tar file, whose checksum fits all the same."""
    header = bytearray(data)
    place = 512 * rng.randrange(max(1, len(data) // 512))
    while place > 0 and header[place + 257 : place + 262] != b"ustar":
        place -= 512
    start, size = rng.choice(((0, 100), (124, 12), (124, 12), (156, 1), (157, 100), (345, 155), (257, 8), (136, 12)))
    new = rng.choice((*FIELDS, b"\xff" * size, b"a" * size))
    header[place + start : place + start + size] = new[:size].ljust(size, b"\0")
    header[place + 148 : place + 156] = b" " * 8
    header[place + 148 : place + 156] = b"%06o\0 " % sum(header[place : place + 512])
    return bytes(header)


BY_ENDING: dict[str, Mutation] = {
    ".json": json_file,
    ".csv": lines,
    ".txt": lines,
    ".toml": lines,
    ".yaml": lines,
    ".xml": lines,
    ".jsonl": lines,
    ".howfar": zip_file,
    ".zip": zip_file,
    ".npz": zip_file,
    ".pth": zip_file,
    ".png": png,
    ".npy": npy,
    ".safetensors": safetensors,
    ".tar": tar,
    ".parquet": parquet,
    ".arrow": arrow,
}
