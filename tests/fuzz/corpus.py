"""Keep files that once broke a reader, and find them again."""

from collections.abc import Iterator
from pathlib import Path

from fuzz.readers import READERS, Reader
from fuzz.seeds import Folder

CORPUS = Path(__file__).with_name("corpus")


def keep(reader: Reader, seed: int, file: str, number: int, data: bytes) -> Path:
    """Write the damaged file of a case to the corpus: READER/SEED-NUMBER-FILE, of which / is written as @."""
    path = CORPUS / reader.name / f"{seed}-{number}-{file.replace('/', '@')}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def kept() -> Iterator[tuple[Reader, Folder, str, Path]]:
    """Yield the reader of each file that was kept, the seed that it lies in, its name there, and where it is kept."""
    readers = {reader.name: reader for reader in READERS}
    for path in sorted(CORPUS.glob("*/*")):
        reader = readers[path.parent.name]
        seed, _, file = path.name.split("-", 2)
        yield reader, reader.seeds()[int(seed)], file.replace("@", "/"), path
