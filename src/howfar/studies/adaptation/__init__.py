"""Measure the gain from training on a few labelled images of each new site (section 4.3, appendix C of the paper)."""
