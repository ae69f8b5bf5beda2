"""Downloading, from a server on this machine: what arrives is checked before it is kept."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import sys
import tarfile
import threading
from dataclasses import replace

import pytest
from data_files import cifar_binary, idx_folder

from fastconv import data
from fastconv.data import sets
from fastconv.data.sets.base import Remote


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder that is served, and the address of it."""
    pytest.importorskip("pooch")
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setenv("FASTCONV_DATA_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def remote(folder, address, file, members=()):
    digest = hashlib.sha256((folder / file).read_bytes()).hexdigest()
    return Remote(address + file, digest, members)


def use(monkeypatch, name, **changes):
    table = tuple(replace(row, **changes) if row.name == name else row for row in sets.TABLE)
    monkeypatch.setattr(data, "TABLE", table)


def test_idx_files(site, monkeypatch, tmp_path):
    folder, address = site
    idx_folder(folder, ".gz")
    remotes = tuple(remote(folder, address, file.name) for file in sorted(folder.iterdir()))
    use(monkeypatch, "mnist", remotes=remotes, recognises=sets.idx_family.has_idx)
    with pytest.raises(ValueError, match="--download"):
        data.load("mnist")
    told = []
    part = data.load("mnist", download=True, progress=lambda done, total: told.append((done, total)))
    assert len(part) == 12 and part.source == str(tmp_path / "cache" / "mnist")
    assert told and told[-1][0] <= told[-1][1]
    assert len(data.load("mnist", "test")) == 12

    (tmp_path / "cache" / "mnist" / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(ValueError, match="--download"):
        data.load("mnist")
    assert len(data.load("mnist", download=True)) == 12


def test_an_archive(site, monkeypatch, tmp_path):
    folder, address = site
    cifar_binary(tmp_path / "made")
    with tarfile.open(folder / "cifar.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "made", "cifar-10-batches-bin")
        evil = tarfile.TarInfo("../../escaped")
        evil.size = 4
        tar.addfile(evil, io.BytesIO(b"evil"))
    members = tuple(sorted(file.name for file in (tmp_path / "made").iterdir()))
    use(monkeypatch, "cifar10", remotes=(remote(folder, address, "cifar.tar.gz", members),))
    assert len(data.load("cifar10", download=True)) == 20
    assert not list(tmp_path.rglob("escaped"))


def test_a_wrong_hash_is_not_kept(site, monkeypatch, tmp_path):
    folder, address = site
    idx_folder(folder)
    remotes = (Remote(address + "train-images-idx3-ubyte", "0" * 64),)
    use(monkeypatch, "mnist", remotes=remotes)
    with pytest.raises(ValueError, match="train-images-idx3-ubyte: what arrived is not the expected file"):
        data.load("mnist", download=True)
    assert not [file for file in (tmp_path / "cache").rglob("*") if file.is_file()]


def test_a_missing_file_on_the_site(site, monkeypatch):
    _, address = site
    use(monkeypatch, "mnist", remotes=(Remote(address + "gone.gz", "0" * 64),))
    with pytest.raises(ValueError, match=r"gone\.gz: cannot be downloaded"):
        data.load("mnist", download=True)


def test_an_archive_without_its_members(site, monkeypatch, tmp_path):
    folder, address = site
    with tarfile.open(folder / "cifar.tar.gz", "w:gz"):
        pass
    use(monkeypatch, "cifar10", remotes=(remote(folder, address, "cifar.tar.gz", ("data_batch_1.bin",)),))
    with pytest.raises(ValueError, match=r"data_batch_1\.bin is missing"):
        data.load("cifar10", download=True)


def test_without_pooch(monkeypatch, tmp_path):
    monkeypatch.setenv("FASTCONV_DATA_DIR", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ValueError, match=r"needs pooch: pip install 'fastconv\[data\]'"):
        data.load("mnist", download=True)


def test_what_cannot_be_downloaded(monkeypatch, tmp_path):
    use(monkeypatch, "mnist-5k", places=lambda: ())
    with pytest.raises(ValueError, match="cannot be downloaded"):
        data.load("mnist-5k", download=True)
