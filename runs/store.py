"""Stores that fsspec knows (`s3://...`): how one is opened, and what its errors come to."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs

from ..diagnostics.errors import RunError

PACKAGES = "pip install 'flatline[remote]'"

SEE_TO = (
    "see to the address, the network and the credentials (of s3:// AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
    "AWS_PROFILE; AWS_ENDPOINT_URL is another server than Amazon's)"
)


class StoreError(OSError, RunError):
    """A store that cannot be reached or used; an OSError, so that it stops a recording as a full disk does."""


def filesystem(address: str) -> Any:
    """What fsspec makes of an address, one object for all addresses of a server.

    Raises StoreError for a protocol that is not known or whose package is not installed.
    """
    protocol = address.partition("://")[0]
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise StoreError(f"{address} needs fsspec, which is not installed: {PACKAGES}") from None
    try:
        return url_to_fs(address)[0]
    except ImportError as error:
        others = "" if protocol in ("s3", "s3a") else ", and the package that it names"
        raise StoreError(f"{address} needs a package that is not installed ({error}): {PACKAGES}{others}") from None
    except ValueError as error:
        what = "give a folder, or an address such as s3://bucket/logs"
        raise StoreError(f"{address} is no address ({error}); {what}") from None
    except Exception as error:
        raise StoreError(f"{address} cannot be opened ({reason(error)}); {SEE_TO}") from error


@contextmanager
def asking(address: object, *, missing: bool = True) -> Iterator[None]:
    """Turns what a store raises into a StoreError; FileExistsError stays itself, and FileNotFoundError if `missing`."""
    try:
        yield
    except (StoreError, FileExistsError):
        raise
    except FileNotFoundError as error:
        if missing:
            raise
        raise StoreError(f"{address} cannot be used ({reason(error)}); {SEE_TO}") from error
    except Exception as error:  # botocore's errors, aiohttp's ... have no base class in common
        raise StoreError(f"{address} cannot be used ({reason(error)}); {SEE_TO}") from error


def reason(error: BaseException) -> str:
    """What a store said, in one line."""
    return " ".join((str(error) or type(error).__name__).split())


def cache_folder(name: str) -> Path:
    """A folder of the user's cache (FLATLINE_CACHE names another); `data.cache` has the same root, and needs more."""
    named = os.environ.get("FLATLINE_CACHE")
    return (Path(named).expanduser() if named else platformdirs.user_cache_path("flatline")).absolute() / name
