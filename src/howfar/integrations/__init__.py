"""Hold what lives inside other programs; each module imports its host where it is used, and nowhere else does."""
