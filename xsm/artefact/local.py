"""A folder of this machine: read with suspicion, written beside its place and swapped in."""

from __future__ import annotations

import contextlib
import ctypes
import glob
import os
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

from xsm.exceptions import ArtefactError

__all__ = ["Content", "Folder"]


Content: TypeAlias = bytes | bytearray | memoryview

_STALE = 86400.0  # seconds after which what a killed save left is removed
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_READ |= getattr(os, "O_BINARY", 0)


class Folder:
    """An artefact's folder, which is or is to be at ``path``."""

    def __init__(self, path: str) -> None:
        self.path = Path(os.path.realpath(Path(path).expanduser()))
        self._before = self.path.with_name(f".{self.path.name}.before")

    def __str__(self) -> str:
        """Return the path, as a user would type it."""
        return str(self.path)

    @property
    def place(self) -> Path:
        """The folder that holds the artefact, also after a kill between two renames."""
        return self.path if self._taken(self.path) else self._before

    @staticmethod
    def _taken(path: Path) -> bool:
        """Tell whether there is anything, if only a link that leads nowhere."""
        return os.path.lexists(path)

    def exists(self) -> bool:
        """Tell whether anything is there, a file too."""
        return self._taken(self.path) or self._taken(self._before)

    def empty(self) -> bool:
        """Tell whether it is a folder with nothing in it; False where there is no folder."""
        return self.path.is_dir() and not any(self.path.iterdir())

    def keys(self) -> set[str] | None:
        """Return the paths of all files below it, with ``/``; links are not followed."""
        found = set()
        for folder, _, files in os.walk(self.place):
            below = Path(folder).relative_to(self.place)
            found |= {(below / name).as_posix() for name in files}
        return found

    def read(self, key: str, most: int) -> bytearray:
        """Return the content of a file, which must be a plain one (no link, no pipe).

        An ArtefactError if it has more than ``most`` bytes or is none; an OSError if it cannot be
        read.
        """
        with os.fdopen(os.open(self.place / key, _READ), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                msg = f"{key} in {self} is no plain file; artefacts hold nothing else."
                raise ArtefactError(msg)
            if found.st_size > most:
                msg = f"{key} in {self} has {found.st_size:,} bytes, {most:,} at most are expected."
                raise ArtefactError(msg)
            content = bytearray(found.st_size)
            file.readinto(content)
        return content

    def read_all(self, sizes: dict[str, int]) -> Iterable[tuple[str, bytearray]]:
        """Yield path and content of several files, one by one, each of at most so many bytes."""
        for key, most in sizes.items():
            yield key, self.read(key, most)

    def write(self, files: Iterable[tuple[str, Content]]) -> None:
        """Write an artefact beside its place, sync it to the disk, and swap it in.

        After an OSError (the disk is full, or may not be written to) what was there is still there.
        """
        self._tidy()
        staged = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.partial")
        staged.mkdir()
        try:
            for key, content in files:
                _write_file(staged / key, content)
            for folder, _, _ in os.walk(staged):
                _sync(Path(folder))
            self._swap(staged)
        finally:
            shutil.rmtree(staged, ignore_errors=True)  # the partial one, or the one replaced
        _sync(self.path.parent)

    def _swap(self, staged: Path) -> None:
        """Put the new artefact in place, at no moment without a whole one."""
        if not self.exists():
            staged.rename(self.path)
            return
        if self._taken(self.path):
            shutil.rmtree(self._before, ignore_errors=True)
        else:
            self._before.rename(self.path)
        if not _exchange(staged, self.path):
            self.path.rename(self._before)
            try:
                staged.rename(self.path)
            except OSError:
                self._before.rename(self.path)
                raise
            shutil.rmtree(self._before, ignore_errors=True)

    def _tidy(self) -> None:
        """Remove what saves of the same name left that were killed a day ago or earlier."""
        for left in self.path.parent.glob(f".{glob.escape(self.path.name)}.*.partial"):
            with contextlib.suppress(OSError):
                if time.time() - left.stat().st_mtime > _STALE:
                    shutil.rmtree(left, ignore_errors=True)


def _write_file(path: Path, content: Content) -> None:
    """Write a new file and wait until the disk has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Wait until the disk has the names in a folder; Windows has no such call."""
    if os.name == "posix":
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step, and tell whether the system could."""
    call = _exchange_call()
    return call is not None and call(os.fsencode(one), os.fsencode(other)) == 0


def _exchange_call() -> Callable[[bytes, bytes], int] | None:
    """Return the system's call that swaps two paths: Linux and macOS have one, by other names."""
    name = {"linux": "renameat2", "darwin": "renamex_np"}.get(sys.platform)
    try:
        call = getattr(ctypes.CDLL(None), name or "")
    except (AttributeError, OSError, TypeError):  # another system, or a C library without it
        return None
    if name == "renamex_np":
        return lambda one, other: int(call(one, other, 2))  # RENAME_SWAP
    return lambda one, other: int(call(-100, one, -100, other, 2))  # AT_FDCWD, RENAME_EXCHANGE
