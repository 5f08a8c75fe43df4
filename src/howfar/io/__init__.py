"""Locate files on this machine or behind URLs, write them whole, lock them, and keep checkpoints of long runs."""
