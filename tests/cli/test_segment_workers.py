"""Plates, workers and schedulers from the shell."""

import os
import signal
import subprocess
import sys

import numpy as np
import tifffile
import zarr

from napari_nucseg.cluster import clients


def test_workers_and_scheduler_exclude_each_other(run, image, output):
    address = "tcp://127.0.0.1:1"
    result = run("segment", image, "--output", output, "--workers", 2, "--scheduler", address)
    assert result.exit_code == 1
    assert result.stderr == "--workers and --scheduler exclude each other.\n"
    assert not output.exists()


def test_a_scheduler_that_cannot_be_reached(run, image, output, monkeypatch):
    monkeypatch.setattr(clients, "CONNECT_TIMEOUT", 0.5)
    result = run("segment", image, "--output", output, "--scheduler", "tcp://127.0.0.1:1")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("The scheduler 'tcp://127.0.0.1:1' cannot be reached: ")
    assert not list(output.glob("*"))


def test_a_scheduler_that_is_no_address(image, output):
    command = [sys.executable, "-m", "napari_nucseg", "segment", str(image)]
    command += ["--output", str(output), "--scheduler", "foo"]
    result = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("The scheduler 'foo' cannot be reached: missing port number")


def test_what_other_parameters_made_is_said(run, image, output):
    run("segment", image, "--output", output)
    result = run("segment", image, "--output", output, "--min-size", 9, "--channels", 0)
    first, last = result.stderr.splitlines()
    changes = "(--min-size 0, now 9; --channels all, now 0)"
    assert first.endswith(f"_labels.tif exists already, made with other parameters {changes}")
    assert "1 of these made with other parameters" in last


def test_a_plate(run, tmp_path, output, field):
    plate = tmp_path / "p.zarr"
    root = zarr.open_group(plate, mode="w", zarr_format=2)
    root.attrs["plate"] = {"wells": [{"path": "A/1"}], "rows": [], "columns": []}
    root.create_group("A/1").attrs["well"] = {"images": [{"path": "0"}]}
    axes = [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    image = root.create_group("A/1/0")
    image.attrs["multiscales"] = [{"axes": axes, "datasets": [{"path": "0"}]}]
    image.create_array("0", data=field)
    result = run("segment", plate, "--output", output)
    assert result.exit_code == 0
    tifffile.imwrite(tmp_path / "x.tif", field)
    run("segment", tmp_path / "x.tif", "--output", output)
    expected = tifffile.imread(output / "x_labels.tif")
    written = zarr.open_array(output / "p_labels.zarr" / "A/1/0/0", mode="r")
    assert (written[...] == expected).all()
    header, first, second = (output / "summary.csv").read_text().splitlines()
    assert header.startswith("file,plate,well,field,nuclei,")
    assert f"{plate}/A/1/0,p.zarr,A/1,0,{expected.max()}," in first
    assert f"{tmp_path}/x.tif,,,,{expected.max()}," in second


def test_ctrl_c_stops_all_processes(run, tmp_path, output, field):
    images = tmp_path / "images"
    images.mkdir()
    for i in range(40):
        tifffile.imwrite(images / f"{i:02}.tif", np.roll(field, i))
    command = [sys.executable, "-m", "napari_nucseg", "segment", str(images)]
    command += ["--output", str(output), "--workers", "2"]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        first = process.stderr.readline()
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        rest = process.stderr.read()
    assert first.startswith("[1/40] ")
    assert process.returncode == 130
    assert "Traceback" not in rest
    assert rest.splitlines()[-1].startswith("Stopped. ")
    assert run("segment", images, "--output", output, "--diameter", 14).exit_code == 0
    assert len(list(output.glob("*_labels.tif"))) == 40
    assert not [path.name for path in output.iterdir() if path.name.endswith(".part")]
