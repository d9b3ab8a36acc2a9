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
    """Return the folder or the prefix that a path or URL (of fsspec, with options) names.

    Nothing is read. An ArtefactError if the protocol is unknown or not installed, or a path comes
    with options.
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
    """Turn any error within a block into an ArtefactError that says what was tried, and what to do.

    ``{hint}`` in the advice is filled by the kind of error, which is the cause of the new one.
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
