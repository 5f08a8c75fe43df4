"""Make labelled sets of corrupted versions of the primary dataset's own labelled images, predict them and score them."""
