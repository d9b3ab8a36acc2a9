"""Local saves: all or nothing, through kills, full disks and places that cannot be written to."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import xsm
import xsm.artefact.local
from tests.artefact.models import assert_same, parts, untrained
from tests.scripts import run
from xsm.exceptions import ArtefactError

KILLS = """
    import json, os, random, signal, sys, time
    import torch
    import xsm, xsm.artefact.local
    from tests.artefact.models import parts

    folder, rounds = sys.argv[1], int(sys.argv[2])
    random.seed(0)
    models = [xsm.FittedModel(**parts(seed=seed)) for seed in (1, 2)]
    models[0].save(folder + "/model")
    started = time.perf_counter()
    models[0].save(folder + "/model", overwrite=True)
    whole = time.perf_counter() - started
    found, lost = set(), []
    for number in range(rounds):
        pid = os.fork()
        if pid == 0:
            if number % 2:  # a filesystem that cannot swap in one step
                xsm.artefact.local._exchange = lambda one, other: False
            for _ in range(20):  # ends also where nobody kills it
                for model in models[:: (-1) ** (number // 2)]:
                    model.save(folder + "/model", overwrite=True)
            os._exit(0)
        time.sleep(random.uniform(0.0, min(3 * whole, 0.5)))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        try:
            weight = xsm.load(folder + "/model").model.head.weight
            same = [torch.equal(weight, m.model.head.weight) for m in models]
            found.add(same.index(True))
        except Exception as error:
            lost.append(repr(error))
    models[0].save(folder + "/model", overwrite=True)
    last = torch.equal(xsm.load(folder + "/model").model.head.weight, models[0].model.head.weight)
    print(json.dumps({"found": sorted(found), "lost": lost, "last": last}))
"""

LIMITED = """
    import resource, signal, sys
    import xsm
    from tests.artefact.models import untrained
    from xsm.exceptions import ArtefactError

    fitted = untrained()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    try:
        fitted.save(sys.argv[1], overwrite=True)
    except ArtefactError as error:
        print(error)
"""


def names(folder: Path) -> list[str]:
    """Return what is in a folder."""
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def exchange(request, monkeypatch) -> bool:
    """Let the system swap folders in one step, or not."""
    if not request.param:
        monkeypatch.setattr(xsm.artefact.local, "_exchange", lambda one, other: False)
    return request.param


both = pytest.mark.parametrize("exchange", [True, False], indirect=True)


def test_an_artefact_is_not_replaced_unless_asked(tmp_path):
    one, other = (xsm.FittedModel(**parts(seed=seed)) for seed in (1, 2))
    one.save(tmp_path / "a")
    with pytest.raises(ArtefactError, match=r"something at .* already.*overwrite=True\)"):
        other.save(tmp_path / "a")
    assert_same(one, xsm.load(tmp_path / "a"))


@both
def test_an_artefact_is_replaced_as_a_whole(tmp_path, exchange):
    one = untrained()
    other = dataclasses.replace(one, climatology=None)
    one.save(tmp_path / "a")
    for fitted in (other, one, other):
        fitted.save(tmp_path / "a", overwrite=True)
        assert_same(fitted, xsm.load(tmp_path / "a"))
    assert names(tmp_path) == ["a"]


def test_the_system_swaps_folders_in_one_step_on_linux(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    (one / "1").mkdir(parents=True)
    (other / "2").mkdir(parents=True)
    if sys.platform == "linux":
        assert xsm.artefact.local._exchange(one, other)
        assert (one / "2").exists()
        assert (other / "1").exists()
    assert not xsm.artefact.local._exchange(one, tmp_path / "nothing")


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_systems_without_a_swap_say_so(monkeypatch, platform):
    monkeypatch.setattr(sys, "platform", platform)
    assert not xsm.artefact.local._exchange(Path("one"), Path("other"))


def test_overwrite_deletes_no_file_of_others(tmp_path):
    fitted = untrained()
    fitted.save(tmp_path / "a")
    notes = tmp_path / "a" / "figures" / "notes.txt"
    notes.parent.mkdir()
    notes.write_text("mine")
    with pytest.raises(ArtefactError, match=r"1 files that are no part .*figures/notes.txt.*Move"):
        fitted.save(tmp_path / "a", overwrite=True)
    assert notes.read_text() == "mine"
    notes.unlink()
    notes.parent.rmdir()
    fitted.save(tmp_path / "a", overwrite=True)


def test_overwrite_replaces_nothing_but_artefacts(tmp_path):
    fitted = untrained()
    (tmp_path / "data").mkdir()
    (tmp_path / "data/precious").write_text("data")
    (tmp_path / "file").write_text("data")
    for name in ("data", "file"):
        with pytest.raises(ArtefactError, match="no artefact of xsm, and overwrite=True replaces"):
            fitted.save(tmp_path / name, overwrite=True)
    assert (tmp_path / "data/precious").read_text() == (tmp_path / "file").read_text() == "data"
    (tmp_path / "empty").mkdir()
    fitted.save(tmp_path / "empty", overwrite=True)
    assert_same(fitted, xsm.load(tmp_path / "empty"))


def test_a_damaged_artefact_may_be_replaced(tmp_path):
    fitted = untrained()
    fitted.save(tmp_path / "a")
    (tmp_path / "a/weights/head.bias/c/0").unlink()
    fitted.save(tmp_path / "a", overwrite=True)
    assert_same(fitted, xsm.load(tmp_path / "a"))


@pytest.mark.parametrize("path", ["~/model.xsm", "file://{}/model.xsm", "local://{}/model.xsm"])
def test_other_ways_to_name_a_folder(tmp_path, monkeypatch, path):
    monkeypatch.setenv("HOME", str(tmp_path))
    fitted = untrained()
    fitted.save(path.format(tmp_path))
    assert_same(fitted, xsm.load(tmp_path / "model.xsm"))
    assert_same(fitted, xsm.load(path.format(tmp_path)))


def test_a_link_to_an_artefact_stays_one(tmp_path):
    fitted = untrained()
    fitted.save(tmp_path / "one")
    (tmp_path / "link").symlink_to("one")
    fitted.save(tmp_path / "link", overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert_same(fitted, xsm.load(tmp_path / "link"))


def test_others_may_read_it_as_the_umask_says(tmp_path):
    before = os.umask(0o022)
    try:
        untrained().save(tmp_path / "a")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "a/zarr.json").stat().st_mode & 0o777 == 0o644


def test_storage_options_are_for_urls(tmp_path):
    with pytest.raises(ArtefactError, match=r"storage_options are for URLs; .* is a path of this"):
        xsm.load(tmp_path / "a", storage_options={"anon": True})


@pytest.mark.usefixtures("forks")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork and SIGKILL")
def test_a_kill_at_any_moment_leaves_the_old_or_the_new(tmp_path):
    found = json.loads(run(KILLS, tmp_path, 8))
    assert found["lost"] == []
    assert found["last"]
    assert set(found["found"]) <= {0, 1}
    for left in tmp_path.glob(".model.*.partial"):
        os.utime(left, (0, 0))
    untrained().save(tmp_path / "model", overwrite=True)
    assert names(tmp_path) == ["model"]


@both
@pytest.mark.parametrize("failing", ["rename", "fsync", "write"])
def test_any_failure_before_the_swap_leaves_the_old(tmp_path, monkeypatch, exchange, failing):
    old = untrained()
    old.save(tmp_path / "a")
    owners = {"rename": (Path, "rename"), "fsync": (os, "fsync")}
    owner, name = owners.get(failing, (xsm.artefact.local, "_write_file"))

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "broken")

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, fail)
        if failing == "rename" and exchange:
            patch.setattr(xsm.artefact.local, "_exchange", lambda one, other: False)
        with pytest.raises(ArtefactError, match=r"failed: \[Errno 5\] broken"):
            old.save(tmp_path / "a", overwrite=True)
    assert names(tmp_path) == ["a"]
    assert_same(old, xsm.load(tmp_path / "a"))


def test_a_failure_between_two_renames_puts_the_old_back(tmp_path, monkeypatch):
    old = untrained()
    old.save(tmp_path / "a")
    rename, calls = Path.rename, iter((False, True, False))

    def fail(path: Path, target: Path) -> Path:
        if next(calls):
            raise OSError(errno.EIO, "broken")
        return rename(path, target)

    monkeypatch.setattr(xsm.artefact.local, "_exchange", lambda one, other: False)
    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(ArtefactError, match="broken"):
        old.save(tmp_path / "a", overwrite=True)
    assert names(tmp_path) == ["a"]
    assert_same(old, xsm.load(tmp_path / "a"))


def test_an_interrupt_leaves_no_debris(tmp_path, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):  # noqa: PT011  # it has no text
        untrained().save(tmp_path / "a")
    assert names(tmp_path) == []


def test_a_kill_between_two_renames_leaves_the_old_to_be_found(tmp_path):
    old = untrained()
    old.save(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / ".a.before")  # as a kill leaves it where no swap exists
    assert_same(old, xsm.load(tmp_path / "a"))
    with pytest.raises(ArtefactError, match=r"something at .* already"):
        old.save(tmp_path / "a")
    new = dataclasses.replace(old, climatology=None)
    new.save(tmp_path / "a", overwrite=True)
    assert_same(new, xsm.load(tmp_path / "a"))
    assert names(tmp_path) == ["a"]


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(ArtefactError, match=r"failed: .*Create the folder \(or the bucket\) first"):
        untrained().save(tmp_path / "no/such/model")
    assert names(tmp_path) == []


@pytest.mark.parametrize("place", ["{}/file/model", "/proc/model", "/dev/null/model"])
def test_a_place_that_cannot_be_written_to_says_so(tmp_path, place):
    (tmp_path / "file").write_text("data")
    with pytest.raises(ArtefactError, match=r"Saving to .* failed: ") as caught:
        untrained().save(place.format(tmp_path))
    assert isinstance(caught.value.__cause__, OSError)
    assert names(tmp_path) == ["file"]


@pytest.mark.usefixtures("forks")
@pytest.mark.skipif(os.name != "posix", reason="limits of file sizes are POSIX")
def test_a_limit_of_file_sizes_leaves_the_old(tmp_path):
    old = dataclasses.replace(untrained(), climatology=None)
    old.save(tmp_path / "a")
    printed = run(LIMITED, tmp_path / "a")
    assert "File too large" in printed
    assert "make room" in printed
    assert names(tmp_path) == ["a"]
    assert_same(old, xsm.load(tmp_path / "a"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a filesystem of 448 KiB, where the system lets one be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=448k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a filesystem needs root on Linux")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_the_old_and_no_debris(small_disk):
    fitted = untrained()
    fitted.save(small_disk / "model")
    with (small_disk / "ballast").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    with (small_disk / "ballast").open("r+b") as file:
        file.truncate((small_disk / "ballast").stat().st_size - 10 * 4096)
    for name in ("model", "other"):
        with pytest.raises(ArtefactError, match=r"No space left on device.*make room") as caught:
            fitted.save(small_disk / name, overwrite=True)
        assert isinstance(caught.value.__cause__, OSError)
        assert names(small_disk) == ["ballast", "model"]
    assert_same(fitted, xsm.load(small_disk / "model"))


def test_a_disk_that_became_read_only_says_so(small_disk):
    fitted = untrained()
    fitted.save(small_disk / "model")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(ArtefactError, match=r"Read-only file system.*check your permissions"):
        fitted.save(small_disk / "model", overwrite=True)
    with pytest.raises(ArtefactError, match="Read-only file system"):
        fitted.save(small_disk / "other")
    assert_same(fitted, xsm.load(small_disk / "model"))
