"""Parse the command line, call the studies, and print: results on stdout, progress and errors on stderr."""

from __future__ import annotations

from howfar.cores import wait_briefly

# NumPy is not loaded yet.
wait_briefly()
