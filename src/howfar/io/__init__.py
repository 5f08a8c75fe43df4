"""Locate files on this machine or behind URLs, write them whole, lock them, and keep checkpoints of long runs.

Everything that keeps something on disk is built on the files of this folder.
"""
