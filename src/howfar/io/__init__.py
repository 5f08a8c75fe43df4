"""Locate files here or behind URLs, write them whole, lock them, and keep what a killed run goes on from.

Everything that keeps something on disk is built on the files of this folder.
"""
