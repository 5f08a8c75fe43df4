"""Run and report the studies of Achara & Pandey, the paper on which howfar's distances rest."""
