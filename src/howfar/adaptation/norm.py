"""Adapt without labels by mixing the site's statistics into the batch norm layers."""

from __future__ import annotations

from howfar.adaptation.way import AdaptationWay, Given
from howfar.pipeline.norm_adaptation import SHARE, adapt_statistics
from howfar.segmenters.checkpoint import Checkpoint


def norm(checkpoint: Checkpoint, given: Given) -> Checkpoint:
    """Mix the statistics of at most 60 of the site's images into those of batch norm layers, λ = 0.3; no label is read.

    It takes seconds on the CPU, where it always runs.
    """
    assert given.site is not None  # `AdaptationWay.check` asks for it
    return adapt_statistics(checkpoint, given.site, share=SHARE, tiled=given.tiled)


NORM = AdaptationWay("norm", "Mix statistics of the site's images into batch norm layers (λ 0.3); no label.", "images", norm)
