"""Batches: files that fail, runs that are repeated or stopped."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import tifffile

import napari_nucseg
from napari_nucseg.batch import file_item


@pytest.fixture
def images(tmp_path, field):
    """Three files, a, b and c."""
    folder = tmp_path / "images"
    folder.mkdir()
    for i, name in enumerate("abc"):
        tifffile.imwrite(folder / f"{name}.tif", np.roll(field, 10 * i)[:96, :96])
    return folder


def labels(output):
    return sorted(path.name for path in output.iterdir() if path.suffix not in (".csv", ".json"))


def damage(path):
    path.write_bytes(path.read_bytes()[:200])


def test_one_bad_file_does_not_stop_the_rest(run, images, output, rows):
    damage(images / "b.tif")
    result = run("segment", images, "--output", output)
    assert result.exit_code == 1
    assert labels(output) == ["a_labels.tif", "c_labels.tif"]
    assert [row["status"] for row in rows().values()] == ["ok", "failed", "ok"]
    row = rows()["b.tif"]
    assert row["nuclei"] == ""
    assert row["message"].startswith(f"Cannot read {images / 'b.tif'}: ")
    assert f"[2/3] {images / 'b.tif'}: failed: {row['message']}" in result.stderr.splitlines()
    last = result.stderr.splitlines()[-1]
    assert last.startswith("2 of 3 files segmented")
    assert last.endswith(f", 1 failed; see {output / 'summary.csv'}.")


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.full((64, 64), np.nan, np.float32), "NaN or infinite"),
        (np.zeros((64, 64), np.complex64), "complex"),
        (np.zeros((1, 64), np.uint8), "at least 8 x 8 are needed"),
    ],
)
def test_pixels_that_cannot_be_used(run, images, output, rows, pixels, message):
    tifffile.imwrite(images / "b.tif", pixels)
    result = run("segment", images, "--output", output)
    assert result.exit_code == 1
    assert message in rows()["b.tif"]["message"]
    assert labels(output) == ["a_labels.tif", "c_labels.tif"]


def test_not_an_image(run, images, output, rows):
    (images / "b.tif").write_text("no pixels")
    assert run("segment", images, "--output", output).exit_code == 1
    assert "it is not an image" in rows()["b.tif"]["message"]


def test_not_enough_memory(run, images, output, rows, monkeypatch):
    def read(path):
        if path.name == "b.tif":
            raise MemoryError
        return original(path)

    original = file_item.read_image
    monkeypatch.setattr(file_item, "read_image", read)
    assert run("segment", images, "--output", output).exit_code == 1
    assert "does not fit into memory" in rows()["b.tif"]["message"]
    assert labels(output) == ["a_labels.tif", "c_labels.tif"]


def test_a_second_run_keeps_and_skips_what_is_there(run, images, output):
    run("segment", images, "--output", output)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in output.iterdir()}
    result = run("segment", images, "--output", output, "--splitting", 1)
    assert result.exit_code == 0
    assert result.stderr.count(": skipped: ") == 3
    assert "0 of 3 files segmented (0 nuclei), 3 skipped" in result.stderr
    for path, (content, changed) in before.items():
        assert path.read_bytes() == content
        assert path.name == "summary.csv" or path.stat().st_mtime_ns == changed


def test_a_second_run_does_what_is_left(run, images, output, rows):
    good = (images / "b.tif").read_bytes()
    damage(images / "b.tif")
    assert run("segment", images, "--output", output).exit_code == 1
    first = rows()
    (images / "b.tif").write_bytes(good)
    result = run("segment", images, "--output", output)
    assert result.exit_code == 0
    assert "1 of 3 files segmented" in result.stderr
    assert labels(output) == ["a_labels.tif", "b_labels.tif", "c_labels.tif"]
    second = rows()
    assert (second["a.tif"], second["c.tif"]) == (first["a.tif"], first["c.tif"])
    assert second["b.tif"]["status"] == "ok"


def test_overwrite(run, images, output, rows):
    run("segment", images, "--output", output)
    tifffile.imwrite(images / "b.tif", np.zeros((96, 96), np.uint8))
    result = run("segment", images / "b.tif", "--output", output, "--overwrite")
    assert result.exit_code == 0
    assert not tifffile.imread(output / "b_labels.tif").any()
    table = rows()
    assert sorted(table) == ["a.tif", "b.tif", "c.tif"]
    assert table["b.tif"]["nuclei"] == "0"
    assert table["a.tif"]["nuclei"] != "0"


def test_overwrite_keeps_the_result_of_a_file_that_now_fails(run, images, output, rows):
    run("segment", images, "--output", output)
    before = (output / "b_labels.tif").read_bytes()
    damage(images / "b.tif")
    assert run("segment", images, "--output", output, "--overwrite").exit_code == 1
    assert (output / "b_labels.tif").read_bytes() == before
    assert rows()["b.tif"]["status"] == "failed"


def test_result_without_its_row(run, images, output, rows):
    run("segment", images, "--output", output)
    nuclei = rows()["b.tif"]["nuclei"]
    (output / "summary.csv").unlink()
    assert run("segment", images, "--output", output).exit_code == 0
    row = rows()["b.tif"]
    assert (row["status"], row["nuclei"]) == ("skipped", nuclei)
    assert row["message"] == f"{output / 'b_labels.tif'} exists already"


def test_result_of_another_file_is_not_taken_for_ours(run, images, tmp_path, output, field):
    run("segment", images / "a.tif", "--output", output)
    before = (output / "a_labels.tif").read_bytes()
    other = tmp_path / "other"
    other.mkdir()
    tifffile.imwrite(other / "a.tif", field.T)
    for _ in range(2):  # the row of the failure changes nothing
        result = run("segment", other, "--output", output)
        assert result.exit_code == 1
        expected = f"a_labels.tif exists already and was made from {images / 'a.tif'}"
        assert expected in result.stderr
        assert (output / "a_labels.tif").read_bytes() == before
    assert run("segment", images / "a.tif", "--output", output).exit_code == 0
    assert run("segment", other, "--output", output, "--overwrite").exit_code == 0
    np.testing.assert_array_equal(
        tifffile.imread(output / "a_labels.tif"), napari_nucseg.segment(field.T).labels
    )
    text = (output / "summary.csv").read_text()
    assert str(other / "a.tif") in text
    assert str(images / "a.tif") not in text


def test_probabilities_asked_for_later(run, images, output):
    words = ("segment", images / "a.tif", "--output", output)
    run(*words)
    before = (output / "summary.csv").read_bytes()
    result = run(*words, "--probabilities")
    assert result.exit_code == 0
    first, last = result.stderr.splitlines()
    assert first.endswith(
        "a_labels.tif exists already, without probabilities (--overwrite computes both)"
    )
    assert "1 of these without probabilities" in last
    assert (output / "summary.csv").read_bytes() == before
    assert not (output / "a_probability.tif").exists()
    assert run(*words, "--probabilities", "--overwrite").exit_code == 0
    assert (output / "a_probability.tif").exists()


def test_rows_that_failed_for_want_of_probabilities_get_their_counts_back(
    run, images, output, rows
):
    words = ("segment", images / "a.tif", "--output", output)
    run(*words)
    made = rows()["a.tif"]
    text = (output / "summary.csv").read_text()
    failed = text.replace(f",{made['nuclei']},", ",,", 1).replace(",ok,", ",failed,", 1)
    assert failed != text
    (output / "summary.csv").write_text(failed)  # as earlier versions left it
    assert run(*words, "--probabilities").exit_code == 0
    row = rows()["a.tif"]
    assert (row["nuclei"], row["status"]) == (made["nuclei"], "skipped")
    assert row["parameters"] == made["parameters"]


def test_probabilities_and_tracks_asked_for_later(run, tmp_path, output, stack):
    movie = tmp_path / "m.tif"
    tifffile.imwrite(movie, stack, imagej=True, metadata={"axes": "TYX"})
    words = ("segment", movie, "--output", output)
    run(*words, "--link-time")
    (output / "m_tracks.txt").unlink()
    result = run(*words, "--link-time", "--probabilities")
    assert result.exit_code == 0
    assert "without probabilities and tracks (--overwrite computes all)" in result.stderr
    assert "1 of these without probabilities, 1 of these without tracks" in result.stderr


def test_probabilities_not_asked_for_any_more(run, images, output):
    words = ("segment", images / "a.tif", "--output", output)
    run(*words, "--probabilities")
    run(*words)
    assert (output / "a_probability.tif").exists()
    assert run(*words, "--overwrite").exit_code == 0
    assert not (output / "a_probability.tif").exists()


def test_foreign_table(run, images, output):
    output.mkdir()
    (output / "summary.csv").write_text("my,table\n1,2\n")
    result = run("segment", images, "--output", output)
    assert result.exit_code == 1
    assert "summary.csv is another table" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert (output / "summary.csv").read_text() == "my,table\n1,2\n"
    assert run("segment", images, "--output", output, "--overwrite").exit_code == 0


def test_an_input_is_never_replaced(run, images):
    (images / "a.tif").rename(images / "x.tif")
    (images / "b.tif").rename(images / "x_labels.tif")
    before = (images / "x_labels.tif").read_bytes()
    inputs = (images / "x.tif", images / "x_labels.tif")
    result = run("segment", *inputs, "--output", images, "--overwrite")
    assert result.exit_code == 1
    assert f"would replace the input {images / 'x_labels.tif'}" in result.stderr
    assert (images / "x_labels.tif").read_bytes() == before


def test_ctrl_c_while_a_file_is_written(run, images, output, rows, monkeypatch):
    original = tifffile.imwrite

    def write(file, *args, **kwargs):
        if "b_labels" in file.name:
            file.write(b"half")
            signal.raise_signal(signal.SIGINT)
        original(file, *args, **kwargs)

    monkeypatch.setattr(tifffile, "imwrite", write)
    result = run("segment", images, "--output", output)
    assert result.exit_code == 130
    assert labels(output) == ["a_labels.tif"]
    assert list(rows()) == ["a.tif"]
    last = result.stderr.splitlines()[-1]
    assert last.startswith("Stopped. 1 of 3 files segmented")
    monkeypatch.undo()
    assert run("segment", images, "--output", output).exit_code == 0
    assert labels(output) == ["a_labels.tif", "b_labels.tif", "c_labels.tif"]
    assert [row["status"] for row in rows().values()] == ["ok", "ok", "ok"]


KILLED = """
import os, signal, sys, tifffile
original = tifffile.imwrite
def write(file, *args, **kwargs):
    if "b_labels" in file.name:
        file.write(b"half")
        file.flush()
        os.kill(os.getpid(), signal.{signal})
    original(file, *args, **kwargs)
tifffile.imwrite = write
from napari_nucseg.cli import main
main()
"""


@pytest.mark.parametrize(("name", "code"), [("SIGKILL", -9), ("SIGINT", 130)])
def test_killed_process(run, images, output, rows, name, code):
    arguments = ["segment", str(images), "--output", str(output)]
    done = subprocess.run(
        [sys.executable, "-c", KILLED.format(signal=name), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    visible = [name for name in labels(output) if not name.startswith(".")]
    assert visible == ["a_labels.tif"]
    assert list(rows()) == ["a.tif"]
    assert run(*arguments).exit_code == 0
    for stem in "abc":
        data = tifffile.imread(images / f"{stem}.tif")
        written = tifffile.imread(output / f"{stem}_labels.tif")
        np.testing.assert_array_equal(written, napari_nucseg.segment(data).labels)


def test_folder_that_cannot_be_made(run, images, tmp_path):
    (tmp_path / "file").write_text("")
    result = run("segment", images, "--output", tmp_path / "file" / "results")
    assert result.exit_code == 1
    assert "a part of its path, is a file" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_nothing_to_segment(run, tmp_path, output):
    result = run("segment", tmp_path / "*.tif", "--output", output)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"No images match {tmp_path / '*.tif'}")
    assert not output.exists()


def test_row_cut_by_a_kill_is_left_out(run, images, output, rows):
    run("segment", images, "--output", output)
    table = output / "summary.csv"
    table.write_bytes(table.read_bytes()[: -len("ok,,12345678,c_labels.tif\n")])
    os.remove(output / "c_labels.tif")
    assert run("segment", images, "--output", output).exit_code == 0
    assert [row["status"] for row in rows().values()] == ["ok", "ok", "ok"]
