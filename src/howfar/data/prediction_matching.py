"""Match predictions with images by their paths, without the endings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from howfar.data.dataset import Dataset
from howfar.data.folder_walk import stem


def match_names(dataset: Dataset, prediction_paths: Collection[str]) -> dict[str, str]:
    """Return for every image the path, without ending, under which its prediction is looked for.

    It is the image's name in its dataset; or, where that finds more of the predictions' paths, which have no ending either,
    that name without the folders that all the images share, so that ``images/1.jpg`` and ``images/2.jpg`` of a table find ``1``
    and ``2``; or without some of them.

    Examples
    --------
    >>> from pathlib import Path
    >>> from howfar.data import Item
    >>> roads = Dataset("roads", (Item("images/1.jpg", Path("1.jpg")), Item("images/2.jpg", Path("2.jpg"))))
    >>> match_names(roads, {"1", "2"})
    {'images/1.jpg': '1', 'images/2.jpg': '2'}
    """
    whole = {item.name: stem(item.name) for item in dataset.items}
    short = {name: stem(below) for name, below in unshared(list(whole)).items()}
    found = max(whole, short, key=lambda keys: _hits(keys, prediction_paths))
    if _hits(found, prediction_paths):
        return found
    paths = {name: PurePosixPath(name) for name in whole}
    shared = _shared([path.parent.parts for path in paths.values()])
    between = (
        {name: stem(PurePosixPath(*path.parts[count:]).as_posix()) for name, path in paths.items()}
        for count in range(1, shared)
    )
    return max((found, *between), key=lambda keys: _hits(keys, prediction_paths))


def unshared(names: Sequence[str]) -> dict[str, str]:
    """Return every name without the folders that all names share.

    Examples
    --------
    >>> unshared(["../site/a/1.jpg", "../site/b/1.jpg"])
    {'../site/a/1.jpg': 'a/1.jpg', '../site/b/1.jpg': 'b/1.jpg'}
    """
    paths = [PurePosixPath(name) for name in names]
    shared = _shared([path.parent.parts for path in paths])
    return {name: PurePosixPath(*path.parts[shared:]).as_posix() for name, path in zip(names, paths, strict=True)}


def no_match(dataset: Dataset, what: str, source: str, paths: Iterable[str]) -> str:
    """Compose the one line for predictions that match no image: how names are compared, one of each side, and a remedy.

    `what` is what a prediction is called, `source` where they come from, and `paths` are their paths as they are, in order.

    Examples
    --------
    >>> from pathlib import Path
    >>> from howfar.data import Item
    >>> no_match(Dataset("roads", (Item("1.jpg", Path("1.jpg")),)), "map", "maps", ["fold/1.png"])
    'no map of maps matches an image of roads: their paths must be the same but for the ending; the first image is 1.jpg, the
    first map fold/1.png: pass maps/fold'
    """
    paths = list(paths)
    if not paths:
        return f"no {what} of {source} matches an image of {dataset.name}: it holds none: name what the model's {what}s are in"
    line = (
        f"no {what} of {source} matches an image of {dataset.name}: their paths must be the same but for the ending; "
        f"the first image is {dataset.items[0].name}, the first {what} {paths[0]}"
    )
    if {path.partition("/")[0] for path in paths} == {"images", "masks"}:
        return f"{line}: {source} is a dataset, name the folder of the model's {what}s"
    last = {PurePosixPath(stem(item.name)).name for item in dataset.items}
    within = {PurePosixPath(path).parent.as_posix() for path in paths if PurePosixPath(stem(path)).name in last} - {"."}
    return f"{line}: pass {source}/{within.pop()}" if len(within) == 1 else f"{line}: name them after the images"


def examples(names: Sequence[str], most: int = 3) -> str:
    """Join the first names of a list, and an ellipsis where there are more.

    Examples
    --------
    >>> examples(["a.png", "b.png"]), examples(["a", "b", "c", "d"])
    ('a.png, b.png', 'a, b, c …')
    """
    return ", ".join(names[:most]) + (" …" if len(names) > most else "")


def _hits(keys: Mapping[str, str], prediction_paths: Collection[str]) -> int:
    return sum(key in prediction_paths for key in keys.values())


def _shared(parents: Sequence[tuple[str, ...]]) -> int:
    """Count the folders that all paths begin with."""
    count = 0
    for parts in zip(*parents, strict=False):
        if len(set(parts)) > 1:
            break
        count += 1
    return count
