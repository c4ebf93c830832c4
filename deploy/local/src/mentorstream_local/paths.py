"""Where things are on this machine: the checkout, the stacks' data, the cache.

Kept apart so that every module agrees, and so that each place can be moved by one environment variable. It only
answers; whoever needs a directory creates it.
"""

from __future__ import annotations

import os
from pathlib import Path


def checkout_root() -> Path:
    """The top of the repository that this package is installed from (an editable install).

    Raises `FileNotFoundError` when the package does not lie in a checkout, as in a Docker image.
    """
    for parent in Path(__file__).resolve().parents:
        if (parent / "libs" / "runtime").is_dir() and (parent / "services").is_dir():
            return parent
    raise FileNotFoundError(
        "mentorstream_local is not installed from a checkout:"
        " set MENTORSTREAM_MIGRATIONS_ROOT and MENTORSTREAM_LOCAL_DIR"
    )


def local_directory() -> Path:
    """Where named stacks live: MENTORSTREAM_LOCAL_DIR, else `.local` in the checkout."""
    configured = os.environ.get("MENTORSTREAM_LOCAL_DIR")
    return Path(configured).resolve() if configured else checkout_root() / ".local"


def cache_directory() -> Path:
    """Where downloads are kept: MENTORSTREAM_CACHE_DIR, else the user's cache directory (XDG_CACHE_HOME)."""
    configured = os.environ.get("MENTORSTREAM_CACHE_DIR")
    if configured:
        return Path(configured).resolve()
    import platformdirs  # only the embedded servers need it

    return Path(platformdirs.user_cache_path("mentorstream"))


def migrations_root() -> Path:
    """The directory that holds `libs/runtime/migrations` and `services/<name>/migrations`."""
    configured = os.environ.get("MENTORSTREAM_MIGRATIONS_ROOT")
    return Path(configured).resolve() if configured else checkout_root()
