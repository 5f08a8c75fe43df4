"""Files and folders: where they lie, writing them whole, locking them, and archives of arrays.

Everything that keeps something on disk is built on the files of this folder.
"""
