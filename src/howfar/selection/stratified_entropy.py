"""Draw images by the entropy of what is predicted as foreground and of what as background in turn, with power noise."""

from __future__ import annotations

import numpy as np

from howfar.errors import InputError
from howfar.selection.function_strategy import FunctionStrategy
from howfar.selection.pool import Pool

CLASSES = ("foreground_entropy", "background_entropy")
BETA = 1.0
"""Power of the score: each image's chance is in proportion to entropy^β; 1 is the default of Kirsch et al."""


def _stratified_entropy(pool: Pool, k: int, rng: np.random.Generator) -> list[int]:
    """Take in turn, for foreground and for background, the image with the largest log e_c + ε, ε ~ Gumbel(0, 1/β).

    e_c is the entropy of the pixels predicted as class c over all pixels of the image (`howfar.metrics.class_entropy`). The
    noisy maximum is a draw without replacement in proportion to e_c^β: the power acquisition of Kirsch et al., "Stochastic
    batch acquisition" (TMLR 2023, https://arxiv.org/abs/2106.12059).

    That entropies are ranked for each predicted class apart, and with noise on their logarithm, is after ClaSP PE: Lüth et al.,
    "Finally outshining the random baseline" (TMLR 2026, https://arxiv.org/abs/2601.13677). What is adapted: it chooses whole
    images and not patches of volumes; its classes are one foreground and the background, which have half of the picks each; and
    as all images are chosen in one round, there is no schedule by which the noise decays over rounds. So it is not that method
    under another name, and its results do not carry over.

    An image in which a class is not predicted, or for sure, is drawn for it only after all others.
    """
    noise = rng.gumbel(size=(len(CLASSES), len(pool))) / BETA
    orders = []
    for column, shift in zip(CLASSES, noise, strict=True):
        entropies = pool[column]
        if (entropies < 0.0).any():
            raise InputError.of(f"column {column}", "must be at least 0", float(entropies.min()), "it is an entropy")
        with np.errstate(divide="ignore"):
            orders.append(np.lexsort((-shift, -(np.log(entropies) + shift))))
    taken = pool.labelled.copy()
    chosen: list[int] = []
    while len(chosen) < k:
        order = orders[len(chosen) % len(CLASSES)]
        chosen.append(int(order[~taken[order]][0]))
        taken[chosen[-1]] = True
    return chosen


STRATIFIED_ENTROPY = FunctionStrategy(
    "stratified_entropy",
    CLASSES,
    True,
    _stratified_entropy,
    lambda values: "drawn by entropy: {:.4f} of predicted foreground, {:.4f} of background".format(
        *(values[name] for name in CLASSES)
    ),
)
