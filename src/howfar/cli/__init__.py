"""Define the `howfar` command line: parse options, run the commands, print results on stdout and progress on stderr."""

from howfar.cpu_cores import wait_briefly

# NumPy is not loaded yet.
wait_briefly()
