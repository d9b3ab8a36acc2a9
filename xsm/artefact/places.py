"""Where an artefact can be: a folder or a URL; and every failure there as one kind of error."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from xsm.artefact.local import Folder
from xsm.artefact.remote import Prefix
from xsm.exceptions import ArtefactError

__all__ = ["Place", "place_of", "refusing"]


Place: TypeAlias = Folder | Prefix


def place_of(path: str | os.PathLike[str], options: Mapping[str, Any] | None) -> Place:
    """Return the folder or the prefix that a path or URL names.

    Parameters
    ----------
    path : str or path
        A path of this machine, or a URL that fsspec knows.
    options : mapping of str to Any or None
        Passed to the filesystem of a URL.

    Returns
    -------
    Folder or Prefix
        Nothing is read.

    Raises
    ------
    ArtefactError
        If the protocol is unknown or not installed, or a path comes with options.

    Examples
    --------
    >>> str(place_of("memory://models/a", None))
    'memory://models/a'
    """
    text = os.fspath(path)
    if "://" not in text and "::" not in text:
        if options:
            msg = f"storage_options are for URLs; {text!r} is a path of this machine."
            raise ArtefactError(msg)
        return Folder(text)
    import fsspec
    from fsspec.implementations.local import LocalFileSystem

    with refusing(f"{text!r} cannot be reached", "{hint}"):
        files, root = fsspec.core.url_to_fs(text, **(options or {}))
    return Folder(root) if isinstance(files, LocalFileSystem) else Prefix(text, files, root)


@contextlib.contextmanager
def refusing(what: str, advice: str) -> Iterator[None]:
    """Turn any error within a block into an ArtefactError that says what was tried.

    Parameters
    ----------
    what : str
        What was tried or found.
    advice : str
        What to do; ``{hint}`` is filled by the kind of error.

    Yields
    ------
    None
        The block runs.

    Raises
    ------
    ArtefactError
        With the error as its cause.

    Examples
    --------
    >>> with refusing("Reading failed", "Take another copy."):
    ...     raise KeyError("a")
    Traceback (most recent call last):
    xsm.exceptions.ArtefactError: Reading failed: KeyError('a'). Take another copy.
    """
    try:
        yield
    except ArtefactError:
        raise
    except Exception as error:
        said = error if isinstance(error, OSError) and str(error) else repr(error)
        msg = f"{what}: {said!s:.500}. {advice.format(hint=_hint(error))}"
        raise ArtefactError(msg) from error


def _hint(error: Exception) -> str:
    """Return what helps against an error of a filesystem."""
    if isinstance(error, ImportError):
        return "Install what reaches it: pip install 'xsm[s3]' for s3://"
    if isinstance(error, FileNotFoundError):
        return "Create the folder (or the bucket) first."
    return "Choose another place, make room, or check your permissions."
