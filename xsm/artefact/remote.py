"""A prefix of an object store, through fsspec: what makes it an artefact is written last."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from xsm.artefact.local import Content
from xsm.artefact.nodes import METADATA
from xsm.exceptions import ArtefactError

__all__ = ["Prefix"]


_BATCH = 1 << 26  # bytes under way at a time
_OURS = re.compile(r"[a-z]+(/[\w.~%-]+)?/zarr\.json|[a-z]+/[\w.~%-]+/c(/0)*", re.ASCII)
_UNLISTED = {"http", "https"}  # web servers list no folders


class Prefix:
    """An artefact's objects below a URL; ``root`` is the URL without its protocol."""

    def __init__(self, url: str, filesystem: Any, root: str) -> None:
        self.url, self._files, self._root = url, filesystem, root.rstrip("/")

    def __str__(self) -> str:
        """Return the URL."""
        return self.url

    def exists(self) -> bool:
        """Tell whether anything is there but what an upload left that has no root yet."""
        keys = self._listed()
        return METADATA in keys or any(not _OURS.fullmatch(key) for key in keys)

    def empty(self) -> bool:
        """Tell whether nothing but remains of an upload is there: there are no empty folders."""
        return not self.exists()

    def _listed(self) -> set[str]:
        """Return the keys below the URL, as they are now."""
        self._files.invalidate_cache()
        found = (str(path).removeprefix(self._root) for path in self._files.find(self._root))
        return {path[1:] for path in found if path[:1] in {"", "/"}}

    def keys(self) -> set[str] | None:
        """Return the keys of all objects below the URL; None where the protocol cannot list."""
        protocol = self._files.protocol
        protocols = {protocol} if isinstance(protocol, str) else set(protocol)
        return None if protocols & _UNLISTED else self._listed()

    def read(self, key: str, most: int) -> bytearray:
        """Return the content of an object; an ArtefactError if it has more than ``most`` bytes."""
        ((_, content),) = self.read_all({key: most})
        return content

    def read_all(self, sizes: Mapping[str, int]) -> Iterator[tuple[str, bytearray]]:
        """Yield key and content of several objects, read many at a time.

        ``sizes`` bounds the bytes of each; not more than one beyond is asked for.
        """
        for keys in _batches(sizes):
            paths = [f"{self._root}/{key}" for key in keys]
            ends = [sizes[key] + 1 for key in keys]
            found = self._files.cat_ranges(paths, [0] * len(paths), ends, on_error="raise")
            for key, content in zip(keys, found, strict=True):
                if len(content) > sizes[key]:
                    msg = f"{key} in {self} has more than the {sizes[key]:,} bytes expected."
                    raise ArtefactError(msg)
                yield key, bytearray(content)

    def write(self, files: Iterable[tuple[str, Content]]) -> None:
        """Upload an artefact, the root last; of one that is replaced the root is deleted first."""
        old = self._listed()
        for key in sorted(old, key=METADATA.__ne__):  # the root first
            self._files.rm_file(f"{self._root}/{key}")
        pending: dict[str, bytes] = {}
        for key, content in files:
            if key == METADATA or sum(map(len, pending.values())) > _BATCH:
                self._files.pipe(pending)
                pending = {}
            pending[f"{self._root}/{key}"] = bytes(content)
        self._files.pipe(pending)
        self._files.invalidate_cache()


def _batches(sizes: Mapping[str, int]) -> Iterator[list[str]]:
    """Divide keys into groups of a bounded number of bytes."""
    group: list[str] = []
    held = 0
    for key, size in sizes.items():
        if group and held + size > _BATCH:
            yield group
            group, held = [], 0
        group.append(key)
        held += size
    if group:
        yield group
