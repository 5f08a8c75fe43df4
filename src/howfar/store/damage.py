"""Tell apart a shard that another process packed away and one whose files are damaged."""

from __future__ import annotations


class ShardGoneError(Exception):
    """Report a shard that is no longer there: another process packed it away."""


class ShardDamagedError(Exception):
    """Report a shard whose files contradict each other or their checksums, or are cut short."""
