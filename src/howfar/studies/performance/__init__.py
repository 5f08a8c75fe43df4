"""Performance against distance (tables 3-5, figs 4-6), and what to expect of images without labels."""
