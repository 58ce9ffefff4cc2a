"""Plates of two wells, written as OME-Zarr 0.4 (Zarr 2) and 0.5 (Zarr 3) prescribe."""

import zarr

WELLS = {"A/1": ("0", "1"), "B/3": ("0",)}
SCALE = (1.0, 0.5, 0.5)


def write_plate(path, image, version):
    """Write a plate; field k of the n-th well shows `image` (Y, X) rolled by 10 n + k, as CYX."""
    newer = version == "0.5"
    zarr_format = 3 if newer else 2

    def group(place, **ome):
        made = zarr.open_group(place, mode="a", zarr_format=zarr_format)
        made.attrs.update({"ome": {"version": version, **ome}} if newer else ome)

    rows = [{"name": "A"}, {"name": "B"}]
    columns = [{"name": "1"}, {"name": "3"}]
    wells = [
        {"path": "A/1", "rowIndex": 0, "columnIndex": 0},
        {"path": "B/3", "rowIndex": 1, "columnIndex": 1},
    ]
    group(path, plate={"rows": rows, "columns": columns, "wells": wells})
    for n, (well, fields) in enumerate(WELLS.items()):
        group(path / well.split("/")[0])
        group(path / well, well={"images": [{"path": name} for name in fields]})
        for k, name in enumerate(fields):
            group(path / well / name, multiscales=[multiscale()])
            array = zarr.create_array(
                path / well / name / "0",
                shape=(1, *image.shape),
                chunks=(1, 64, 64),
                dtype=image.dtype,
                zarr_format=zarr_format,
                chunk_key_encoding={"name": "default" if newer else "v2", "separator": "/"},
            )
            array[0] = field_image(image, n, k)
    return path


def multiscale():
    axes = [
        {"name": "c", "type": "channel"},
        {"name": "y", "type": "space", "unit": "micrometer"},
        {"name": "x", "type": "space", "unit": "micrometer"},
    ]
    changes = [
        {"type": "scale", "scale": list(SCALE)},
        {"type": "translation", "translation": [0.0, 7.0, 9.0]},
    ]
    return {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": changes}]}


def field_image(image, n, k):
    import numpy as np

    return np.roll(image, 10 * n + k, axis=0)
