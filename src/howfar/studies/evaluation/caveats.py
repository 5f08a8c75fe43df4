"""Write the caveats of segmentation scores: missing masks, lossy maps, a threshold tuned on the same images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from howfar.data.prediction_matching import examples
from howfar.studies.evaluation.map_scores import ScoredMap, Sources
from howfar.studies.evaluation.threshold_choice import Cut


def notes(
    scored: Sequence[ScoredMap], sources: Sources, scores: Mapping[str, float | None], cut: Cut, tolerance: float
) -> Iterator[str]:
    """Yield one sentence for each thing that weakens the scores or explains an undefined one.

    `scored` are the images that have maps, `sources` the folders of the maps; of the dataset's `scores` `false_positive_share`
    is used; `cut` is the threshold of the per-image values, `tolerance` is in pixels.
    """
    yield from _about_masks(scored, scores["false_positive_share"], cut)
    lossy = sum(image.lossy for image in scored)
    if lossy:
        maps = "1 map is" if lossy == 1 else f"{lossy} maps are"
        yield f"{maps} in a lossy format (JPEG or like it), which alters probabilities: save PNG"
    faint = sum(image.faint for image in scored)
    if faint:
        maps = "1 map holds" if faint == 1 else f"{faint} maps hold"
        yield f"{maps} no value above 1 of 255, and {'is' if faint == 1 else 'are'} taken for nearly empty"
    if all(image.histogram[1:-1].sum() == 0 for image in scored):
        yield "the maps hold nothing but 0 and 1: all thresholds give the same, and signals of confidence say nothing"
    yield from _about_files(sources)
    yield from _about_tuning(scored, cut, tolerance)


def _about_masks(scored: Sequence[ScoredMap], false_positives: float | None, cut: Cut) -> Iterator[str]:
    masked = [image for image in scored if image.item.mask is not None]
    empty = sum(int(image.counts.true[0]) == 0 for image in masked)
    if not masked:
        yield "no image has a mask: there are only signals that need no labels, and no scores"
    elif len(masked) < len(scored):
        without = len(scored) - len(masked)
        yield f"{_have(without, 'no mask')}: kept for the signals that need no labels, without performance"
    if empty:
        percent = "" if false_positives is None else f"{100 * false_positives:.2g} %"
        share = f"; {percent} of their pixels are predicted as foreground" if percent else ""
        what = f"every mask ({empty}) is empty" if empty == len(masked) else _have(empty, "an empty mask")
        yield f"{what}: no F{share} at threshold {cut.threshold:.2f}" if share else f"{what}: no F"
    full = [image.item.name for image in masked if int(image.counts.true[0]) == int(image.counts.pixels[0])]
    if full:
        yield f"{_have(len(full), 'a mask that is foreground throughout')} ({examples(full)}): any map of 1 scores well there"
    grey = sum(image.grey for image in masked)
    if grey:
        yield f"{'1 mask holds' if grey == 1 else f'{grey} masks hold'} grey levels: what is above 127 counts as foreground"


def _about_files(sources: Sources) -> Iterator[str]:
    for _, maps in sources.named():
        if maps.extra:
            count = len(maps.extra)
            match = "map matches" if count == 1 else "maps match"
            yield f"{count} {match} no image ({examples(maps.extra)} below {maps.folder})"
        if maps.doubled:
            what = _have(len(maps.doubled), "more than one map")
            yield f"{what} below {maps.folder} ({examples(maps.doubled)}): the PNG is taken, else the first by name"
    images: dict[object, list[str]] = defaultdict(list)
    for name, file in sources.main.files.items():
        images[file].append(name)
    for shared in (names for names in images.values() if len(names) > 1):
        yield f"{len(shared)} images have one map, since their names differ only in the ending ({examples(shared)})"


def _about_tuning(scored: Sequence[ScoredMap], cut: Cut, tolerance: float) -> Iterator[str]:
    tuned = cut.tuned_on
    if tuned is None:
        return
    tuning = set(tuned.images["content"])
    both = sum(image.content in tuning for image in scored)
    if both:
        these = f"{both} of these images" if both < len(scored) else "these very images"
        yield f"the threshold was tuned on {these}: F at it is no estimate for unseen ones"
    if tuned.tolerance != tolerance:
        yield f"the threshold was tuned with a tolerance of {tuned.tolerance:g} px, and this is {tolerance:g} px"


def _have(count: int, what: str) -> str:
    return f"1 image has {what}" if count == 1 else f"{count} images have {what}"
