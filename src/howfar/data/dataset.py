"""Define `Dataset`, a named sequence of images with their masks and classes, listed from a folder or a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from howfar.data.compact_item_table import Item, ItemTable, first_repeat
from howfar.data.image_and_mask_folders import counted, list_folder, list_remote
from howfar.data.image_tables_and_lists import list_table
from howfar.errors import InputError
from howfar.io.file_location import as_location
from howfar.results import Skipped


@dataclass(frozen=True, repr=False)
class Dataset:
    """Hold a named sequence of images in a fixed order.

    `name` is what tables and figures call it. The images, `items`, are kept in columns, as an `ItemTable`, which can
    be used as a tuple of them. `skipped` is what was found and cannot be an image: broken links, missing files. `root` is the
    folder, table or container that it was read from.

    Raises
    ------
    InputError
        Two items share a name.

    Examples
    --------
    >>> Dataset("roads", (Item("1.png", Path("1.png")),))
    Dataset('roads': 1 image)
    """

    name: str
    items: Sequence[Item]
    skipped: tuple[Skipped, ...] = ()
    root: Path | str | None = None

    def __post_init__(self) -> None:
        items = ItemTable.of(self.items)
        object.__setattr__(self, "items", items)
        repeat = first_repeat(items.names)
        if repeat:
            name = items.names[repeat[0]]
            raise InputError.of(f"dataset {self.name}", "must name each image once", name, "drop or rename the repeats")

    @classmethod
    def from_folder(cls, path: str | Path, name: str | None = None) -> Dataset:
        """List a folder of images, in natural order of their paths (2.png before 10.png).

        Where the folder holds a folder ``images``, the images lie below that; else they are all those below the folder.
        Masks lie below ``masks`` beside, with the same path but for the ending. Hidden files and folders are left
        out. Linked folders are followed; one that is reached twice is listed once, under its own path where it has one.

        Raises `MissingPathError` where there is no such folder, and `InputError` where it is not a folder or holds no image.

        Parameters
        ----------
        path
            The folder, or its URL.
        name
            The dataset's name; by default the folder's, or its parent's where the folder is called ``images``.

        Examples
        --------
        >>> from howfar.demo import write_dataset
        >>> import tempfile
        >>> Dataset.from_folder(write_dataset(Path(tempfile.mkdtemp()) / "roads", 3, seed=0, size=64))
        Dataset('roads': 3 images, 3 masks)
        """
        location = as_location(path)
        return cls(*(list_folder(location, name) if isinstance(location, Path) else list_remote(location, name)))

    @classmethod
    def from_table(cls, path: str | Path, name: str | None = None) -> Dataset:
        r"""Read a CSV or Parquet table with a column ``image`` and optional columns ``mask``, ``label`` and ``group``.

        Paths are relative to the table's folder; one may also be a URL, of the host or bucket that the table is from or of one
        that is allowed (`howfar.allowed_url_hosts.allowing`), or lie within a tar or Parquet file. An image's name is
        its path as the table writes it. A row whose image is not there is skipped with the reason; one whose mask is not there
        is kept without it, and that is noted among the skipped. The same image in two rows is an error, since it would count
        twice.

        Raises `MissingPathError` where there is no such file, and `InputError` where it is no such table, lacks the column
        ``image``, leaves an image empty, repeats one, or names no file that exists.

        Parameters
        ----------
        path
            The table, or its URL; CSV in UTF-8, with a header and commas.
        name
            The dataset's name; by default the table's, without its ending.

        Examples
        --------
        >>> import tempfile
        >>> from howfar.demo import write_dataset
        >>> folder = write_dataset(Path(tempfile.mkdtemp()) / "roads", 2, seed=0, size=64)
        >>> _ = (folder / "list.csv").write_text("image,label\nimages/0001.jpg,dry\n")
        >>> Dataset.from_table(folder / "list.csv").items[0].label
        'dry'
        """
        return cls(*list_table(as_location(path), name))

    @property
    def groups(self) -> list[str | None]:
        """Return each image's group: its scene, patient, clip or photograph; None for an image that shares none."""
        return [item.group for item in self.items]

    def without_masks(self) -> Dataset:
        """Return the dataset without its masks."""
        return replace(self, items=tuple(replace(item, mask=None) for item in self.items))

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        masks = ItemTable.of(self.items).masks
        parts = [counted(len(self), "image")]
        if masks:
            parts.append(counted(masks, "mask"))
        if self.skipped:
            parts.append(f"{len(self.skipped)} skipped")
        return f"Dataset({self.name!r}: {', '.join(parts)})"
