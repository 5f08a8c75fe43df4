"""Files that hold many images: tar shards, and Parquet and Arrow files with the images' bytes. None is ever unpacked."""

from howfar.data.containers.cache import KINDS, find, opened
from howfar.data.containers.container import Container, Listing, Member

__all__ = ["KINDS", "Container", "Listing", "Member", "find", "opened"]
