"""Published weights: what a name's are called on the hub, whether they are within reach, and what to do when not."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit
from urllib.request import getproxies

from howfar.errors import MissingPathError

SAFE_FILE = "model.safetensors"


def missing_weights(name: str, repository: str, file: str, reason: str) -> MissingPathError:
    """Build the one line for weights that cannot be had: why, what to download, how to pass it.

    Examples
    --------
    >>> print(missing_weights("timm:a", "timm/a.b", "model.safetensors", "no route"))
    the weights of timm:a are not on this machine and cannot be fetched (no route): download model.safetensors of timm/a.b
    elsewhere and pass weights=FILE
    """
    return MissingPathError(
        f"the weights of {name} are not on this machine and cannot be fetched ({reason}): "
        f"download {file} of {repository} elsewhere and pass weights=FILE"
    )


def why_unreachable(repository: str, files: tuple[str, ...]) -> str | None:
    """Say why none of a repository's `files` can be had, or None where one is cached or may be fetched.

    The hub's own client tries an unreachable host for most of a minute; where its name does not resolve, and no
    proxy would resolve it, there is no need to wait.
    """
    from huggingface_hub import constants, try_to_load_from_cache

    if any(isinstance(try_to_load_from_cache(repository.partition("@")[0], file), str) for file in files):
        return None
    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    host = urlsplit(constants.ENDPOINT).hostname or ""
    if getproxies():
        return None
    try:
        socket.getaddrinfo(host, 443)
    except OSError as error:
        return f"{host}: {error.strerror or error}"
    return None
