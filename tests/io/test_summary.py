import csv

import pytest

from napari_nucseg.errors import ReadError, WriteError
from napari_nucseg.io.summary import SummaryTable, read_rows


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_every_row_is_on_the_disk_at_once(tmp_path):
    path = tmp_path / "summary.csv"
    summary = SummaryTable(path)
    header = ["file", "nuclei", "diameter", "diameter_estimated", "seconds", "status", "message"]
    header += ["parameters", "labels"]
    assert rows(path) == [header]
    summary.add("a.tif", nuclei=12, seconds=1.23456, status="ok")
    assert rows(path) == [header, ["a.tif", "12", "", "", "1.235", "ok", "", "", ""]]
    awkward = 'x, "y"\nµ.tif'
    summary.add(awkward, nuclei=None, seconds=0, status="failed", message="bad, file\nline 2")
    assert rows(path)[1:] == [
        ["a.tif", "12", "", "", "1.235", "ok", "", "", ""],
        [awkward, "", "", "", "0.000", "failed", "bad, file\nline 2", "", ""],
    ]


def test_existing_table_is_kept_unless_told(tmp_path):
    path = tmp_path / "summary.csv"
    path.write_text("mine")
    with pytest.raises(WriteError, match=r"summary\.csv exists already"):
        SummaryTable(path)
    assert path.read_text() == "mine"
    SummaryTable(path, overwrite=True)
    assert len(rows(path)) == 1


@pytest.mark.parametrize("place", ["", "plate,well,field,"])
def test_a_table_from_before_there_were_diameters(tmp_path, place):
    path = tmp_path / "summary.csv"
    values = place.replace("plate", "p.zarr").replace("well", "A/1").replace("field", "0")
    path.write_text(
        f"file,{place}nuclei,seconds,status,message,parameters,labels\n"
        f"a.tif,{values}12,1.235,ok,,k,a_labels.tif\n"
    )
    (row,) = read_rows(path)
    assert (row["nuclei"], row["parameters"], row["labels"]) == ("12", "k", "a_labels.tif")
    assert row["diameter"] == row["diameter_estimated"] == ""
    SummaryTable(path, overwrite=True, rows=[row])
    assert path.read_text() == (
        f"file,{place}nuclei,diameter,diameter_estimated,seconds,status,message,parameters,labels\n"
        f"a.tif,{values}12,,,1.235,ok,,k,a_labels.tif\n"
    )


def test_an_empty_file_has_no_rows(tmp_path):
    path = tmp_path / "summary.csv"
    path.touch()
    assert read_rows(path) == []
    path.write_text("\n")
    with pytest.raises(ReadError, match=r"summary\.csv is another table"):
        read_rows(path)


def test_folder_that_vanished(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    summary = SummaryTable(folder / "summary.csv")
    summary.path.unlink()
    folder.rmdir()
    with pytest.raises(WriteError, match=r"Cannot write .*summary\.csv: No such file"):
        summary.add("a.tif", nuclei=1, seconds=1, status="ok")
