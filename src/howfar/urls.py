"""File systems behind URLs (``s3://``, ``gs://``, ``az://``, ``memory://`` …), as fsspec makes them: of data and of stores."""

from __future__ import annotations

from typing import Any, Final

from howfar.errors import InputError, MissingExtraError

EXTRAS: Final = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az", "abfss": "az", "hf": "hub"}
"""Which extra of howfar brings the library behind a URL's scheme."""


def file_system(url: str, argument: str = "dataset") -> tuple[Any, str]:
    """The file system behind a URL and the path within it.

    Parameters
    ----------
    url
        The URL.
    argument
        What the caller calls it.

    Raises
    ------
    MissingExtraError
        The library behind the scheme is not there.
    InputError
        Nothing reads such URLs.

    Examples
    --------
    >>> file_system("memory://shelf/a")[1]
    '/shelf/a'
    """
    import fsspec

    scheme = url.partition("://")[0].lower()
    try:
        system, path = fsspec.url_to_fs(url)
    except ImportError as error:
        extra = EXTRAS.get(scheme)
        remedy = f"pip install 'howfar[{extra}]'" if extra else f"install what fsspec needs for it ({error})"
        raise MissingExtraError(f"{scheme}:// needs a library that is not installed: {remedy}") from error
    except ValueError as error:
        line = " ".join(str(error).split())
        raise InputError.of(argument, f"must be a path or a URL that fsspec reads ({line})", url) from error
    return system, str(path)
