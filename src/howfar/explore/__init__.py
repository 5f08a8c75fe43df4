"""Show the images of a run on a page where they can be pointed at, filtered and collected, inside a report or served."""
