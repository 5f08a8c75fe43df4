"""Certify a model's performance on a site by the labels of a few images drawn at random, whatever the shift."""
