"""Embed images by a backbone, project the features by PCA, and measure distances between the projected datasets."""
