"""Relate performance to distance (tables 3-5, figs 4-6 of the paper), and estimate it for images without labels."""
