"""Chunks that are not stored, looked for without a listing of the store."""

import asyncio
import shutil

import pytest
import zarr
from zarr.storage import LocalStore

from napari_nucseg.io.lazy import open_lazily
from napari_nucseg.io.missing import PROBES


@pytest.fixture(autouse=True)
def no_listing(monkeypatch):
    """A listing takes minutes where a store is large."""
    for name in ("list", "list_prefix", "list_dir"):
        monkeypatch.setattr(LocalStore, name, None)


def create(path, shape, zarr_format=3, **options):
    array = zarr.create_array(
        path, shape=shape, chunks=(4, 4), dtype="u1", zarr_format=zarr_format, **options
    )
    array[...] = 1
    return path


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_few_chunks_are_counted(tmp_path, zarr_format):
    path = create(tmp_path / "a.zarr", (10, 8), zarr_format)
    assert open_lazily(path).messages == ()
    (path / ("0.1" if zarr_format == 2 else "c/0/1")).unlink()
    (path / ("2.1" if zarr_format == 2 else "c/2/1")).unlink()
    assert open_lazily(path).messages == (
        "2 of 6 chunks of the image are not stored and were taken as 0.",
    )


def test_no_chunk_at_all(tmp_path):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, shape=(8, 8), chunks=(4, 4), dtype="u1", fill_value=3)
    assert open_lazily(path).messages == (
        "4 of 4 chunks of the image are not stored and were taken as 3.",
    )


def test_shards(tmp_path):
    path = create(tmp_path / "a.zarr", (16, 16), shards=(8, 8))
    assert open_lazily(path).messages == ()
    (path / "c/1/1").unlink()
    assert "1 of 4 chunks" in open_lazily(path).messages[0]


def test_of_many_chunks_some_are_looked_at(tmp_path, monkeypatch):
    path = create(tmp_path / "a.zarr", (80, 80))  # 400 chunks
    looked, exists = [], LocalStore.exists

    async def note(store, key):
        looked.append(key)
        return await exists(store, key)

    monkeypatch.setattr(LocalStore, "exists", note)
    assert open_lazily(path).messages == ()
    assert len({key for key in looked if "c/" in key}) == PROBES
    for row in range(10, 20):  # the lower half
        shutil.rmtree(path / "c" / str(row))
    (message,) = open_lazily(path).messages
    missing, rest = message.split(maxsplit=1)
    assert rest == (
        "of 100 chunks of the image that were looked at, of 400, are not stored and were taken as "
        "0."
    )
    assert 35 <= int(missing) <= 65


def test_a_store_that_does_not_answer(tmp_path, monkeypatch):
    path = create(tmp_path / "a.zarr", (8, 8))
    exists = LocalStore.exists

    async def fail(store, key):
        if "c/" in key:
            await asyncio.sleep(0)
            raise ConnectionError("no route to host")
        return await exists(store, key)

    monkeypatch.setattr(LocalStore, "exists", fail)
    image = open_lazily(path)
    assert image.messages == ()
    assert (image.array[slice(0, 8), slice(0, 8)] == 1).all()
