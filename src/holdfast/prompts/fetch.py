"""Fetches the file of a public prompt set once, at its pinned commit, and checks it against its hash."""

import hashlib
import os
import urllib.request
from http.client import HTTPException
from pathlib import Path

from holdfast.prompts.known import KnownSet
from holdfast.reachable import why_unreachable

TIMEOUT = 10.0
"""Seconds without a byte after which a host that took the connection counts as down."""


def fetch(known: KnownSet) -> Path:
    """Returns the set's file. Fetches it unless the cache has it.

    Raises:
        ValueError: the set is gated, its host cannot be reached, or the bytes are not the pinned ones.
    """
    placed = cached_file(known)
    if not placed.is_file():
        placed = _from_hub(known) if known.host == "hub" else _from_github(known, placed)
    if known.sha256 is not None and file_sha256(placed) != known.sha256:
        raise ValueError(
            f"{str(placed)!r} is not the file that prompt set {known.name!r} is pinned to (SHA-256 "
            f"{known.sha256[:12]}...); remove it, so that it is fetched again, or give a file of your own by its path."
        )
    return placed


def cached_file(known: KnownSet) -> Path:
    """Returns the place of a set's file in the cache.

    On a machine without a network a user can put it there by hand.
    """
    from huggingface_hub import constants  # not at the top: a list of sets needs no hub

    return Path(constants.HF_HOME) / "holdfast" / known.repository / known.revision / known.file


def file_sha256(file: Path) -> str:
    """Returns the SHA-256 of a file of any size."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _from_hub(known: KnownSet) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

    try:
        _require_reachable(known)
        path = hf_hub_download(known.repository, known.file, repo_type="dataset", revision=known.revision)
    except (HfHubHTTPError, OSError, ValueError) as error:
        # Without a token, the hub reports a gated repository as not found.
        refused = known.gated and isinstance(error, RepositoryNotFoundError)
        raise ValueError(_gated(known) if refused else _unreachable(known, error)) from error
    return Path(path)


def _require_reachable(known: KnownSet) -> None:
    """Raises ConnectionError within seconds if a file is not in the cache and the hub takes no connection."""
    from huggingface_hub import constants, is_offline_mode, try_to_load_from_cache

    place = {"repo_type": "dataset", "revision": known.revision}
    if is_offline_mode() or isinstance(try_to_load_from_cache(known.repository, known.file, **place), str):
        return  # the library itself says at once what is missing
    if why := why_unreachable(constants.ENDPOINT):
        raise ConnectionError(why)


def _from_github(known: KnownSet, placed: Path) -> Path:
    from huggingface_hub import constants

    try:
        if constants.HF_HUB_OFFLINE:
            raise ConnectionError("HF_HUB_OFFLINE is set")
        if why := why_unreachable(known.url):
            raise ConnectionError(why)
        with urllib.request.urlopen(known.url, timeout=TIMEOUT) as answer:
            content = answer.read()
    except (OSError, HTTPException) as error:  # HTTPException: the answer broke off
        raise ValueError(_unreachable(known, error)) from error
    placed.parent.mkdir(parents=True, exist_ok=True)
    partial = placed.with_name(f"{placed.name}.{os.getpid()}.partial")  # several processes may fetch it at once
    partial.write_bytes(content)
    os.replace(partial, placed)
    return placed


def _gated(known: KnownSet) -> str:
    return (
        f"prompt set {known.name!r} is gated: accept its terms at {known.page}, then set HF_TOKEN in the environment."
    )


def _unreachable(known: KnownSet, error: Exception) -> str:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0].split(". ")[0]
    chosen = "&".join(f"{field}={column}" for field, column in known.columns.items())
    return (
        f"prompt set {known.name!r} could not be fetched from {known.url} ({reason}); go online, put that file at "
        f"{str(cached_file(known))!r}, or name a file of your own, as in 'FILE#{chosen}'."
    )
