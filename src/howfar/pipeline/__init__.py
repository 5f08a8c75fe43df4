"""Embed images, project features by PCA, measure distances, predict maps, and score new images against a primary dataset."""
