"""Show a run's images on an interactive page with filters and collecting, inside a report or served."""
