"""Files that hold many images: tar shards, and Parquet and Arrow files with the images' bytes. None is ever unpacked."""

from howfar.data.containers.container import Container, Listing, Member
from howfar.data.containers.kept import KINDS, find, opened

__all__ = ["KINDS", "Container", "Listing", "Member", "find", "opened"]
