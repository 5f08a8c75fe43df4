"""Relate performance to distance (tables 3-5, figs 4-6), and estimate it for images without labels."""
