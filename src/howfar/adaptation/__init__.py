"""Adapt a trained segmenter to a site, by its unlabelled images or by a few labelled ones; each way is one file."""

from howfar.adaptation.adapt_model import adapt_model
from howfar.adaptation.way import UNADAPTED, AdaptationWay, Given, adapted, steps_of

__all__ = ["UNADAPTED", "AdaptationWay", "Given", "adapt_model", "adapted", "steps_of"]
