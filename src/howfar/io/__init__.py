"""Locate local and remote files, write them atomically, lock them, and save the progress of long runs."""
