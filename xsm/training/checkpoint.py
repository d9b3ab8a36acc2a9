"""The state of a training run in one file, swapped in whole, so that a killed run can go on."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import torch
from torch import Tensor

from xsm.exceptions import TrainingError

__all__ = ["Checkpoint"]


_SHARE = 0.05  # of the time of a run that may go into noting its state


class Checkpoint:
    """Where a run notes its state after an epoch, and goes on from.

    The file is a zip archive of plain arrays (numpy's npz, nothing pickled; each with a checksum).
    A local file is written beside its place, flushed to the disk and renamed, so that a reader, or
    a run after a power cut, finds the former state or the new one, never a part; an object store
    does the same with an object. Writing takes at most a twentieth of the time: after fast epochs
    the state is noted less often, which changes nothing in the result.

    Parameters
    ----------
    path : str or path
        A local file, or a URL that fsspec knows, such as ``s3://bucket/run.ckpt``.
    identity : mapping of str to str
        What the run is: a checkpoint of another run is refused.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoint = Checkpoint(f"{folder}/run.ckpt", {"model": "lstm"})
    ...     checkpoint.save({"epoch": torch.tensor(3)}, now=True)
    ...     int(checkpoint.load()["epoch"])
    3
    """

    def __init__(self, path: str | os.PathLike[str], identity: Mapping[str, str]) -> None:
        self.path, self.identity = os.fspath(path), dict(identity)
        self._due = 0.0

    def load(self) -> dict[str, Tensor] | None:
        """Return the state that was noted last.

        Returns
        -------
        dict of str to Tensor or None
            None where there is no file yet.

        Raises
        ------
        TrainingError
            If the file is damaged, none of xsm's, or of another run; if there is none and no
            folder to put it in.
        """
        try:
            system, path = fsspec.url_to_fs(self.path)
            if not system.exists(path):
                self._check_place()
                return None
            with system.open(path, "rb") as file:
                held = np.load(io.BytesIO(file.read()), allow_pickle=False)
                arrays = {name: held[name] for name in held.files}
            identity = dict(json.loads(arrays.pop("identity").tobytes()))
        except TrainingError:
            raise
        except Exception as error:  # a byte decides what numpy, zipfile and zlib raise
            msg = (
                f"checkpoint={self.path!r} cannot be read ({type(error).__name__}: {error}): it is "
                "damaged, or no checkpoint of xsm. Delete it to start anew, or name another path."
            )
            raise TrainingError(msg) from error
        self._check(identity)
        return {name: torch.from_numpy(np.array(values)) for name, values in arrays.items()}

    def save(self, state: Mapping[str, Tensor], *, now: bool = False) -> None:
        """Note a state, unless the last one was noted a moment ago.

        Parameters
        ----------
        state : mapping of str to Tensor
            All that the rest of the run depends on.
        now : bool, default: False
            Note it in any case.

        Raises
        ------
        TrainingError
            If it cannot be written: no such folder, no permission, no space.
        """
        started = time.monotonic()
        if started < self._due and not now:
            return
        content = io.BytesIO()
        arrays: dict[str, Any] = {k: v.detach().cpu().numpy() for k, v in state.items()}
        arrays["identity"] = np.frombuffer(json.dumps(self.identity).encode(), np.uint8)
        np.savez(content, **arrays)
        try:
            self._write(content.getbuffer())
        except OSError as error:
            msg = (
                f"checkpoint={self.path!r} cannot be written ({error}). The run stops, its last "
                "checkpoint is whole; make room or name another path, then call fit again."
            )
            raise TrainingError(msg) from error
        took = time.monotonic() - started
        self._due = started + took / _SHARE

    def _write(self, content: memoryview) -> None:
        """Swap the file in whole."""
        system, path = fsspec.url_to_fs(self.path)
        if "file" not in system.protocol:
            system.pipe_file(path, bytes(content))
            return
        beside = Path(f"{path}.part")  # one name: the next run clears what a kill left
        try:
            with beside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
            folder = os.open(Path(path).parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        finally:
            beside.unlink(missing_ok=True)

    def _check_place(self) -> None:
        """Refuse a local place where no file can be made, before hours were spent."""
        system, path = fsspec.url_to_fs(self.path)
        folder = Path(path).parent
        if "file" in system.protocol and not os.access(folder, os.W_OK):
            why = "may not be written to" if folder.is_dir() else "does not exist"
            msg = (
                f"checkpoint={self.path!r} cannot be written: the folder {str(folder)!r} {why}. "
                "Make it, or name another path."
            )
            raise TrainingError(msg)

    def _check(self, there: Mapping[str, str]) -> None:
        """Refuse the state of another run, and name the difference."""
        names = sorted({*there, *self.identity})
        other = [n for n in names if there.get(n) != self.identity.get(n)]
        if other:
            said = "; ".join(
                f"{n}: {there.get(n)} there, {self.identity.get(n)} here" for n in other
            )
            msg = (
                f"checkpoint={self.path!r} is of another run ({said}). Call fit with the same data "
                "and arguments to go on, or name another path."
            )
            raise TrainingError(msg)
