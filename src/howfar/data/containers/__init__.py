"""Read files that hold many images, without unpacking them: tar shards, Parquet and Arrow files with images' bytes."""

from howfar.data.containers.cache import KINDS, find, opened
from howfar.data.containers.container import Container, Listing, Member

__all__ = ["KINDS", "Container", "Listing", "Member", "find", "opened"]
