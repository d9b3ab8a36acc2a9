"""Object stores: a real S3 server on this machine, memory, and a plain web server."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import http.server
import itertools
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
import s3fs
from fsspec.registry import known_implementations

import xsm
import xsm.artefact.remote
from tests.artefact.models import assert_same, untrained
from xsm.exceptions import ArtefactError

KEYS = {"AWS_ACCESS_KEY_ID": "dummy", "AWS_SECRET_ACCESS_KEY": "dummy"}
KEYS |= {"AWS_DEFAULT_REGION": "us-east-1", "NO_PROXY": "*", "AWS_EC2_METADATA_DISABLED": "true"}
KEYS |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "AWS_PROFILE", "AWS_SESSION_TOKEN")


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, Any]]:
    """Run an S3 server on a free port, with a bucket ``models``; return the storage options."""
    with pytest.MonkeyPatch.context() as patch:
        for name in PROXIES:
            patch.delenv(name, raising=False)
            patch.delenv(name.upper(), raising=False)
        for name, value in KEYS.items():
            patch.setenv(name, value)
        from moto.server import ThreadedMotoServer

        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        options = {"endpoint_url": f"http://{host}:{port}", "key": "dummy", "secret": "dummy"}
        s3fs.S3FileSystem(**options).mkdir("models")
        yield options
        server.stop()
        s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    """Return an empty object store in memory."""
    store = fsspec.filesystem("memory")
    store.store.clear()
    yield store
    store.store.clear()


@pytest.fixture(params=["s3", "memory"])
def place(request, tmp_path) -> tuple[str, dict[str, Any], fsspec.AbstractFileSystem]:
    """Return a URL where nothing is, the options and the filesystem that reach it."""
    if request.param == "memory":
        return "memory://models/model.xsm", {}, request.getfixturevalue("memory")
    options = request.getfixturevalue("s3")
    store = s3fs.S3FileSystem(**options)
    for path in store.find("models", withdirs=False):
        store.rm_file(path)
    return "s3://models/model.xsm", options, store


def test_it_comes_back(place):
    url, options, store = place
    fitted = untrained()
    fitted.save(url, storage_options=options)
    assert_same(fitted, xsm.load(url, storage_options=options))
    assert store.exists(f"{url}/zarr.json")


def test_the_root_is_written_last(place, monkeypatch):
    url, options, _ = place
    written: list[str] = []
    target = xsm.artefact.remote.Prefix
    init = target.__init__

    def watch(self: Any, *args: Any) -> None:
        init(self, *args)
        real = self._files.pipe

        def log(batch: dict[str, bytes]) -> None:
            written.append(min(batch) if len(batch) == 1 else "many")
            real(batch)

        monkeypatch.setattr(self._files, "pipe", log)

    monkeypatch.setattr(target, "__init__", watch)
    untrained().save(url, storage_options=options)
    assert written[0] == "many"
    assert written[-1].endswith("model.xsm/zarr.json")


def test_an_artefact_is_not_replaced_unless_asked(place):
    url, options, _ = place
    one = untrained()
    other = dataclasses.replace(one, climatology=None)
    one.save(url, storage_options=options)
    with pytest.raises(ArtefactError, match=r"something at .*model.xsm already"):
        other.save(url, storage_options=options)
    other.save(url, overwrite=True, storage_options=options)
    assert_same(other, xsm.load(url, storage_options=options))


def test_other_objects_are_never_replaced(place):
    url, options, store = place
    store.pipe_file(f"{url}/precious", b"data")
    for overwrite in (False, True):
        with pytest.raises(ArtefactError, match=r"something at|is no artefact of xsm"):
            untrained().save(url, overwrite=overwrite, storage_options=options)
    assert store.cat_file(f"{url}/precious") == b"data"
    untrained().save(f"{url}2", storage_options=options)  # a neighbour whose name begins the same
    with pytest.raises(ArtefactError, match="no artefact of xsm at"):
        xsm.load(url, storage_options=options)


@contextlib.contextmanager
def interrupted(after: int) -> Iterator[None]:
    """Let uploads stop after some files, each of which is sent at once."""
    write = xsm.artefact.remote.Prefix.write

    def stop(self: Any, files: Any) -> None:
        def some() -> Iterator[Any]:
            yield from itertools.islice(files, after)
            raise ConnectionError("the network went away")

        write(self, some())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xsm.artefact.remote, "_BATCH", 0)
        patch.setattr(xsm.artefact.remote.Prefix, "write", stop)
        yield


@pytest.mark.parametrize("after", [0, 1, 20])
def test_an_interrupted_upload_is_no_artefact_and_hinders_no_other(place, after):
    url, options, store = place
    fitted = untrained()
    with interrupted(after), pytest.raises(ArtefactError, match=r"xsm failed: the network went"):
        fitted.save(url, storage_options=options)
    store.invalidate_cache()
    assert len(store.find(url)) == max(after - 1, 0)  # the last one waits for its successor
    with pytest.raises(ArtefactError, match="upload that was interrupted has to be saved again"):
        xsm.load(url, storage_options=options)
    slim = dataclasses.replace(fitted, climatology=None)
    slim.save(url, storage_options=options)
    assert_same(slim, xsm.load(url, storage_options=options))


@pytest.mark.parametrize("after", [0, 5])
def test_an_interrupted_replacement_does_not_load_a_mixture(place, after):
    url, options, _ = place
    fitted = untrained()
    fitted.save(url, storage_options=options)
    with interrupted(after), pytest.raises(ArtefactError, match=r"xsm failed: the network went"):
        fitted.save(url, overwrite=True, storage_options=options)
    with pytest.raises(ArtefactError, match="no artefact of xsm at"):
        xsm.load(url, storage_options=options)
    fitted.save(url, storage_options=options)
    assert_same(fitted, xsm.load(url, storage_options=options))


def test_damage_is_seen(place):
    url, options, store = place
    untrained().save(url, storage_options=options)
    key = f"{url}/weights/head.bias/c/0"
    content = store.cat_file(key)
    for wrong, text in (
        (content + b"0", "has more than the 4 bytes expected"),
        (content[:-1], "has 3 bytes, its metadata declare 4"),
        (bytes(4), "SHA-256 digest differs"),
    ):
        store.pipe_file(key, wrong)
        with pytest.raises(ArtefactError, match=text):
            xsm.load(url, storage_options=options)
    store.rm_file(key)
    with pytest.raises(ArtefactError, match=r"lacks 1 of its files \(weights/head.bias/c/0\)"):
        xsm.load(url, storage_options=options)
    store.pipe_file(key, content)
    store.pipe_file(f"{url}/weights/more/c/0", content)
    with pytest.raises(ArtefactError, match="holds 1 files that are no part of it"):
        xsm.load(url, storage_options=options)


def test_a_bucket_that_does_not_exist_is_named(s3):
    with pytest.raises(ArtefactError, match=r"failed: .*bucket.*Create the folder \(or the bucket"):
        untrained().save("s3://nowhere/model.xsm", storage_options=s3)
    with pytest.raises(ArtefactError, match=r"no artefact of xsm at s3://nowhere/model.xsm"):
        xsm.load("s3://nowhere/model.xsm", storage_options=s3)


def test_protocols_that_cannot_be_reached_are_named(monkeypatch):
    with pytest.raises(ArtefactError, match=r"cannot be reached: .*Protocol not known: nonsense"):
        xsm.load("nonsense://model.xsm")
    monkeypatch.setitem(known_implementations, "s4", {"class": "no_s4fs.S4"})
    with pytest.raises(ArtefactError, match=r"pip install 'xsm\[s3\]' for s3://"):
        untrained().save("s4://bucket/model.xsm")


def test_small_batches_read_the_same(place, monkeypatch):
    url, options, _ = place
    fitted = untrained()
    monkeypatch.setattr(xsm.artefact.remote, "_BATCH", 300)
    fitted.save(url, storage_options=options)
    assert_same(fitted, xsm.load(url, storage_options=options))


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A web server that says nothing."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_web_server_is_enough_to_load_from(tmp_path: Path, s3):
    fitted = untrained()
    fitted.save(tmp_path / "model.xsm")
    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}/model.xsm"
        try:
            assert_same(fitted, xsm.load(url))
            (tmp_path / "model.xsm/weights/head.bias/c/0").unlink()
            with pytest.raises(ArtefactError, match=r"cannot be read|failed"):
                xsm.load(url)
        finally:
            server.shutdown()
            thread.join()
