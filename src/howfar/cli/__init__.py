"""The command line: parse, call, print. Results on stdout, progress and errors on stderr."""
