"""One file per model: what is exported can be imported, and nothing else can."""

import copy
import errno
import io
import json
import os
import shutil
import stat
import struct
import sys
import zipfile
from pathlib import Path

import flatbuffers
import h5py
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from napari_nucseg.errors import Cancelled, InputError, ModelError, NameTaken, WriteError
from napari_nucseg.inference.engine import make_engine
from napari_nucseg.model.folder import CARD, CONFIG, HASHES, LITERT, WEIGHTS, write_hashes
from napari_nucseg.registry import (
    Provenance,
    bundled_folder,
    export_model,
    find_model,
    import_model,
    litert_file,
    model_names,
    probe,
    rename_model,
    save_model,
    unpacking,
)
from napari_nucseg.registry.litert_file import check_numbers
from napari_nucseg.registry.provenance import PROVENANCE
from napari_nucseg.registry.weights_file import count_parameters

FILES = (CONFIG, HASHES, LITERT, WEIGHTS, CARD)


@pytest.fixture
def contents(source):
    """The files of a model."""
    return {name: (source / name).read_bytes() for name in FILES}


@pytest.fixture
def make_zip(tmp_path):
    """Write a zip of (name or ZipInfo, content) pairs, or of a dict of them."""

    def make(entries, compression=zipfile.ZIP_STORED):
        path = tmp_path / "model.zip"
        pairs = entries.items() if isinstance(entries, dict) else entries
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, content in pairs:
                archive.writestr(name, content)
        return path

    return make


@pytest.fixture
def refuse(tmp_path, own_models, changes):
    """Import a file, which must fail with one sentence and leave no trace; return the sentence."""

    def everything():
        return sorted(str(p) for p in tmp_path.rglob("*") if p != own_models)

    def attempt(path, match, error=ModelError, **options):
        before = everything()
        with pytest.raises(error, match=match) as caught:
            import_model(path, **options)
        assert everything() == before
        assert changes == []
        sentence = str(caught.value)
        assert sentence.isprintable()
        assert len(sentence) < 700
        return sentence

    return attempt


def special(name, mode):
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = mode << 16
    return entry


def patch_directory(path, name, offset, layout, value, *, also_local=None):
    """Change a field of an entry in the table of contents (and at another offset in the entry)."""
    data = bytearray(path.read_bytes())
    place = data.rindex(b"PK\x01\x02", 0, data.rindex(name.encode()))
    struct.pack_into(layout, data, place + offset, value)
    if also_local is not None:
        local = data.rindex(b"PK\x03\x04", 0, data.index(name.encode()))
        struct.pack_into(layout, data, local + also_local, value)
    path.write_bytes(data)


def test_a_model_survives_export_and_import(source, own_models, tmp_path, untried, changes):
    provenance = Provenance(parent="nuclei", parent_sha256="a" * 64, scores={"f1": 0.9})
    saved = save_model(source, "mine", provenance)
    path = export_model("mine", tmp_path)

    assert path == tmp_path / "mine.zip"
    with zipfile.ZipFile(path) as archive:
        assert {name.partition("/")[0] for name in archive.namelist()} == {"mine"}
        assert archive.testzip() is None
    imported = import_model(path, "ours")

    assert imported.path == own_models / "ours"
    assert imported.hashes == saved.hashes
    for name in (*FILES, PROVENANCE):
        if name != CONFIG:
            assert (imported.path / name).read_bytes() == (saved.path / name).read_bytes()
    assert json.loads((imported.path / CONFIG).read_bytes()) == {
        **json.loads((saved.path / CONFIG).read_bytes()),
        "name": "ours",
    }
    assert imported.weights.is_file()
    assert changes[-1] == ("", "ours")


def test_the_bundled_model_predicts_the_same_after_a_journey(tmp_path):
    tile = np.random.default_rng(0).normal(size=(64, 64, 3)).astype(np.float32)

    model = import_model(export_model("nuclei", tmp_path), "mine")
    again = rename_model("mine", "ours")

    expected = make_engine(find_model("nuclei")).predict(tile)
    np.testing.assert_array_equal(make_engine(again).predict(tile), expected)
    assert again.hashes == model.hashes


def test_an_export_is_always_the_same(source, tmp_path):
    save_model(source, "mine")
    first = export_model("mine", tmp_path / "a.zip").read_bytes()
    assert export_model("mine", tmp_path / "b.zip").read_bytes() == first


def test_an_export_goes_to_the_current_folder(source, tmp_path, monkeypatch):
    save_model(source, "mine")
    monkeypatch.chdir(tmp_path)
    assert export_model("mine") == Path("mine.zip")
    assert (tmp_path / "mine.zip").is_file()


def test_an_export_replaces_a_file_only_if_told(source, tmp_path):
    save_model(source, "mine")
    (tmp_path / "mine.zip").write_text("precious")

    with pytest.raises(WriteError, match=r"mine\.zip exists already"):
        export_model("mine", tmp_path)
    assert (tmp_path / "mine.zip").read_text() == "precious"
    assert zipfile.is_zipfile(export_model("mine", tmp_path, overwrite=True))


def test_a_damaged_model_is_not_exported(source, tmp_path):
    (save_model(source, "mine").path / WEIGHTS).write_bytes(b"damaged")
    with pytest.raises(ModelError, match=f"{WEIGHTS} is corrupt or was replaced"):
        export_model("mine", tmp_path)
    assert not (tmp_path / "mine.zip").exists()


@pytest.mark.parametrize("stage", ["open", "fsync", "replace"])
def test_a_full_disk_while_exporting(source, tmp_path, monkeypatch, stage):
    save_model(source, "mine")
    (tmp_path / "mine.zip").write_text("precious")

    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    if stage == "open":
        monkeypatch.setattr("napari_nucseg.io.atomic.open", full, raising=False)
    else:
        monkeypatch.setattr(os, stage, full)
    with pytest.raises(WriteError, match=r"Cannot write .*mine\.zip: No space left on device"):
        export_model("mine", tmp_path, overwrite=True)
    monkeypatch.undo()

    assert (tmp_path / "mine.zip").read_text() == "precious"
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_cancelling(source, own_models, tmp_path, untried):
    save_model(source, "mine")
    path = export_model("mine", tmp_path)

    with pytest.raises(Cancelled):
        export_model("mine", tmp_path / "other.zip", cancelled=lambda: True)
    with pytest.raises(Cancelled):
        import_model(path, "ours", cancelled=lambda: True)

    assert not (tmp_path / "other.zip").exists()
    assert [p.name for p in own_models.iterdir()] == ["mine"]


@pytest.mark.parametrize("folder", ["", "any name/"])
def test_files_may_lie_flat_or_in_one_folder(make_zip, contents, untried, folder):
    entries = {f"{folder}{name}": content for name, content in contents.items()}
    if folder:
        entries = {folder: b"", **entries}
    for name, compression in (("a", zipfile.ZIP_STORED), ("b", zipfile.ZIP_DEFLATED)):
        assert import_model(make_zip(entries, compression), name).name == name


def test_files_that_belong_to_a_training_may_come_along(make_zip, contents, untried):
    extra = {"scores.md": b"| a |", "curve.png": b"png", "predictions.png": b"png"}
    model = import_model(make_zip({**contents, **extra}))
    assert (model.path / "scores.md").read_bytes() == b"| a |"


@pytest.mark.parametrize(
    "name",
    [
        "../config.json",
        "/config.json",
        "//server/share/config.json",
        "tiny/../../config.json",
        "./config.json",
        "tiny//config.json",
        "C:/config.json",
        "C:config.json",
        "..\\config.json",
        "tiny\\config.json",
        "../",
        "/",
        "",
        "\0",
        "\0card.md",
        "card.md\0.py",
        "card.md\n",
        "\x1b[2Jcard.md",
    ],
)
def test_paths_that_lead_elsewhere(make_zip, contents, refuse, monkeypatch, name):
    # zipfile itself would write a harmless name
    monkeypatch.setattr(zipfile.ZipInfo, "_encodeFilenameFlags", _encode_as_it_is)
    entry = zipfile.ZipInfo("x")
    entry.filename = entry.orig_filename = name
    path = make_zip([*contents.items(), (entry, b"")])
    refuse(path, "a path that leads out of its folder")


def _encode_as_it_is(entry):
    return entry.orig_filename.encode(), 0


@pytest.mark.parametrize(
    "mode",
    [stat.S_IFLNK | 0o777, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK, stat.S_IFDIR],
)
def test_entries_that_are_no_files(make_zip, contents, refuse, mode):
    del contents[CARD]
    path = make_zip([*contents.items(), (special(CARD, mode), "/etc/passwd")])
    refuse(path, r"holds 'card\.md', which is a link or another special file")


def test_a_folder_that_claims_to_be_a_link(make_zip, contents, refuse):
    entries = [(special("tiny/", stat.S_IFLNK | 0o777), "/etc")]
    entries += [(f"tiny/{name}", content) for name, content in contents.items()]
    refuse(make_zip(entries), "holds 'tiny/', which is a link")


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("evil.py", r"holds 'evil\.py', which does not belong to a model"),
        ("Config.json", r"holds 'Config\.json', which does not belong"),
        ("._card.md", r"holds '\._card\.md', which does not belong"),
        ("a/b/card.md", r"holds 'a/b/card\.md', which does not belong"),
        ("a/b/", "holds 'a/b/', a folder within a folder"),
        ("tiny/scores.md", "its files lie in more than one folder"),
        ("empty/", "its files lie in more than one folder"),
        ("card.md", r"it holds card\.md twice"),
        ("tiny/card.md", r"it holds card\.md twice"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_entries_that_do_not_belong_to_a_model(make_zip, contents, refuse, name, match):
    refuse(make_zip([*contents.items(), (name, b"")]), match)


def test_what_the_finder_adds_is_left_out(make_zip, contents, untried):
    added = ["tiny/", "tiny/.DS_Store", ".DS_Store", "__MACOSX/", "__MACOSX/tiny/"]
    added += [f"__MACOSX/tiny/._{name}" for name in contents]
    entries = [(f"tiny/{name}", content) for name, content in contents.items()]
    model = import_model(make_zip([*entries, *((name, b"junk") for name in added)]))
    assert {path.name for path in model.path.iterdir()} == set(contents)


@pytest.mark.parametrize("name", ["__MACOSX/../../evil", "__MACOSX/../card.md", "../.DS_Store"])
def test_what_the_finder_would_not_add_is_refused(make_zip, contents, refuse, name):
    refuse(make_zip([*contents.items(), (name, b"")]), "a path that leads out of its folder")


@pytest.mark.parametrize("name", [CONFIG, HASHES, LITERT, WEIGHTS, CARD])
def test_missing_files(make_zip, contents, refuse, name):
    del contents[name]
    refuse(make_zip(contents), f"it has no {name}")


def test_an_empty_zip(make_zip, refuse):
    refuse(make_zip({}), r"it has no config\.json and no hashes\.json and no model\.tflite and no")


def test_a_model_without_a_card_is_not_exported(source, tmp_path):
    (source / CARD).unlink()
    save_model(source, "mine")
    with pytest.raises(ModelError, match=r"Model 'mine' in .* has no card\.md, without which"):
        export_model("mine", tmp_path / "mine.zip")
    assert not (tmp_path / "mine.zip").exists()


def test_encrypted_entries(make_zip, contents, refuse):
    path = make_zip(contents)
    patch_directory(path, WEIGHTS, 8, "<H", 1, also_local=6)
    refuse(path, "which is encrypted")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_take_much_memory(make_zip, contents, refuse, method):
    refuse(make_zip(contents, method), "compressed in another way than 'deflate'")


def test_more_entries_than_a_model_has(make_zip, contents, refuse):
    entries = [*contents.items(), *((f"{i}", b"") for i in range(40))]
    refuse(make_zip(entries), "it has 45 entries, a model at most 10")


def test_a_table_of_contents_that_would_fill_the_memory(make_zip, contents, refuse):
    entries = [*contents.items(), *((f"{i:0200}", b"") for i in range(5000))]
    refuse(make_zip(entries), "its table of contents is too large")


def test_a_file_above_its_limit(make_zip, contents, refuse, monkeypatch):
    monkeypatch.setattr(unpacking, "MB", 1)
    monkeypatch.setattr(unpacking, "MAX_SIZE", 1000)
    monkeypatch.setattr(unpacking._SmallReads, "read", io.BufferedReader.read)
    refuse(make_zip({**contents, CARD: bytes(1001)}), r"its card\.md is larger than 1000 MB")


@pytest.mark.parametrize("name", [WEIGHTS, LITERT])
def test_a_network_above_its_limit(make_zip, contents, refuse, monkeypatch, name):
    monkeypatch.setitem(unpacking.MAX_SIZES, name, len(contents[name]) - 1)
    refuse(make_zip(contents), f"its {name} is larger than")


def test_content_above_the_limit_of_all_files(make_zip, contents, refuse, monkeypatch):
    monkeypatch.setattr(unpacking, "MAX_TOTAL", sum(map(len, contents.values())) - 1)
    refuse(make_zip(contents), "its content is larger than")


def test_a_bomb(make_zip, contents, refuse):
    path = make_zip({**contents, WEIGHTS: bytes(40_000_000)}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    refuse(path, "its content is more than 100 times as large as itself")


def test_a_bomb_that_lies_about_its_size(make_zip, contents, refuse):
    """Unpacking stops where the stated size ends."""
    path = make_zip({**contents, WEIGHTS: bytes(40_000_000)}, zipfile.ZIP_DEFLATED)
    patch_directory(path, WEIGHTS, 24, "<I", 10, also_local=22)
    refuse(path, rf"its {WEIGHTS} is damaged \(Bad CRC-32")


def test_a_file_shorter_than_stated(make_zip, contents, refuse):
    path = make_zip(contents, zipfile.ZIP_DEFLATED)
    patch_directory(path, WEIGHTS, 24, "<I", len(contents[WEIGHTS]) + 1, also_local=22)
    refuse(path, rf"its {WEIGHTS} is damaged \(its size is not the one stated")


def test_entries_that_share_their_bytes(make_zip, contents, refuse):
    """Overlapping entries: one compressed block is read several times."""
    path = make_zip(contents)
    data = path.read_bytes()
    first = data.index(b"PK\x03\x04")
    patch_directory(path, WEIGHTS, 42, "<I", first)
    refuse(path, f"its {WEIGHTS} is damaged")


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, 0.99])
def test_a_truncated_zip(make_zip, contents, refuse, kept):
    path = make_zip(contents)
    content = path.read_bytes()
    path.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    refuse(path, "is not a zip file, or is damaged")


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_zip(make_zip, contents, refuse, name, compression):
    path = make_zip(contents, compression)
    with zipfile.ZipFile(path) as archive:
        entry = archive.getinfo(name)
        place = entry.header_offset + 30 + len(name) + entry.compress_size // 2
    data = bytearray(path.read_bytes())
    data[place] ^= 0x55
    path.write_bytes(data)
    refuse(path, f"its {name} is damaged")


def test_no_zip_at_all(tmp_path, refuse):
    (tmp_path / "image.png").write_bytes(b"\x89PNG" * 1000)
    refuse(tmp_path / "image.png", "is not a zip file, or is damaged")
    refuse(tmp_path / "nowhere.zip", "Cannot read .*nowhere.zip: No such file")
    refuse(tmp_path, "Cannot read .*: Is a directory")


@pytest.mark.parametrize("name", [WEIGHTS, LITERT])
def test_hashes_that_do_not_match(make_zip, contents, refuse, untried, name):
    path = make_zip({**contents, name: contents[name][:-1] + b"?"})
    sentence = refuse(path, f"its {name} was changed or damaged since the model was exported")
    assert ".partial" not in sentence
    assert sentence.endswith("; ask for the zip file again.")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"{", "is not valid JSON"),
        (b"[" * 100_000, "is not valid JSON"),
        (b"[]", "must map file names"),
        (b"{}", "states no sha256"),
    ],
)
def test_hashes_that_cannot_be_used(make_zip, contents, refuse, untried, content, match):
    refuse(make_zip({**contents, HASHES: content}), match)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"format": 2}, "format: "),
        ({"code": "__import__('os')"}, "code: Extra inputs"),
        ({"network": {"decoder": "mystery"}}, "network.decoder: "),
        ({"name": "../evil"}, "name: String should match"),
        ({"\x1b[2J" * 50: 1}, "Extra inputs"),
    ],
)
def test_a_config_that_is_not_known(make_zip, contents, refuse, change, place):
    config = {**json.loads(contents[CONFIG]), **change}
    path = make_zip({**contents, CONFIG: json.dumps(config)})
    assert place in refuse(path, r"its config\.json is not one that this version knows")


@pytest.mark.parametrize("content", [b"", b"\xff", b"[" * 100_000, b'{"name": ' + b"9" * 100_000])
def test_a_config_that_is_none(make_zip, contents, refuse, content):
    refuse(make_zip({**contents, CONFIG: content}), r"its config\.json is not one that")


@pytest.mark.parametrize("content", [b"{", b'{"format": 2}', b'{"run": "rm"}', b'{"\x1b[2J": 1}'])
def test_a_provenance_that_is_not_known(make_zip, contents, refuse, untried, content):
    path = make_zip({**contents, PROVENANCE: content})
    refuse(path, r"provenance\.json is not a provenance that this version knows")


def test_names(make_zip, contents, refuse, untried, own_models):
    path = make_zip(contents)
    refuse(path, "A model's name has", InputError, name="../evil")
    refuse(path, "Windows keeps", InputError, name="nul")
    refuse(path, "is the name of a bundled model", NameTaken, name="nuclei")
    (own_models / "Tiny").mkdir(parents=True)
    refuse(path, "'tiny' differs from the name of the model 'Tiny' only in", NameTaken)
    (own_models / "Tiny").rename(own_models / "tiny")
    refuse(path, "A model named 'tiny' exists already", NameTaken)
    assert import_model(path, "other").name == "other"


def pack(tmp_path: Path, change) -> Path:
    """Return a zip of the bundled model after `change(folder)`, with hashes that match."""
    folder = shutil.copytree(bundled_folder() / "nuclei", tmp_path / "changed")
    (folder / PROVENANCE).unlink(missing_ok=True)
    change(folder)
    write_hashes(folder)
    path = tmp_path / "changed.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    return path


def set_config(folder, **changes):
    config = json.loads((folder / CONFIG).read_bytes())
    for place, value in changes.items():
        (config["network"] if place in config["network"] else config)[place] = value
    (folder / CONFIG).write_text(json.dumps({**config, "name": "changed"}))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            lambda folder: (folder / LITERT).write_bytes(b"\0" * 5000),
            r"changed\.zip/model\.tflite is not a LiteRT model",
        ),
        (
            lambda folder: (folder / LITERT).write_bytes((folder / LITERT).read_bytes()[:100_000]),
            "is not a LiteRT model|crashed the process",
        ),
        (
            lambda folder: set_config(folder, outputs=["foreground"]),
            r"has 4 output channels, but its config\.json states 1",
        ),
        (
            lambda folder: set_config(folder, fixed_size=32 * 1000),
            "states an input of 32000 pixels; at most 2048",
        ),
        (
            lambda folder: (folder / WEIGHTS).write_bytes(b"no arrays"),
            r"model\.weights\.h5 is not a file of Keras weights",
        ),
    ],
    ids=["no model", "half a model", "channels", "huge input", "no weights"],
)
def test_a_network_that_cannot_run(tmp_path, refuse, change, match):
    path = pack(tmp_path, lambda folder: (set_config(folder), change(folder)))
    assert ".partial" not in refuse(path, match)


def add_external_link(file):
    file["linked"] = h5py.ExternalLink("/etc/passwd", "/")


def add_soft_link(file):
    file.create_group("inner")["linked"] = h5py.SoftLink("/nowhere")


def add_external_data(file):
    file.create_dataset("raw", (10,), "u1", external=[("/etc/passwd", 0, 10)])


def add_virtual_data(file):
    layout = h5py.VirtualLayout((10,), "u1")
    layout[:] = h5py.VirtualSource("/etc/other.h5", "x", (10,))
    file.create_virtual_dataset("virtual", layout)


def add_claim(file):
    file.create_dataset("claim", (1 << 20, 1 << 20), "f4", chunks=(1024, 1024))


def add_text(file):
    file.create_dataset("text", data=["__import__('os')"])


def add_type(file):
    file["type"] = np.dtype("f4")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (add_external_link, "holds links, expected arrays only"),
        (add_soft_link, "holds links, expected arrays only"),
        (add_external_data, "holds '/raw', which is not a plain array"),
        (add_virtual_data, "holds '/virtual', which is not a plain array"),
        (add_claim, "holds arrays of more than 1024 MB"),
        (add_text, "holds '/text', which is not a plain array"),
        (add_type, "holds '/type', which is not a plain array"),
    ],
)
def test_weights_that_hold_more_than_arrays(tmp_path, change, match):
    path = tmp_path / WEIGHTS
    shutil.copy(bundled_folder() / "nuclei" / WEIGHTS, path)
    assert count_parameters(path) > 1_000_000
    with h5py.File(path, "a") as file:
        change(file)

    with pytest.raises(ModelError, match=match):
        count_parameters(path)


def edit_weights(change):
    """Return a change of a model folder: `change` gets the open weights file."""

    def edit(folder):
        set_config(folder)
        with h5py.File(folder / WEIGHTS, "a") as file:
            change(file)

    return edit


KERNEL, BIAS = "layers/conv2d_9/vars/0", "layers/conv2d_45/vars/1"
"""An array of the encoder, and the last bias."""


def remove_bias(file):
    del file[BIAS]


def reshape_kernel(file):
    del file[KERNEL]
    file[KERNEL] = np.zeros((1, 1, 7, 3), np.float32)


def add_array(file):
    file["more"] = np.zeros(3, np.float32)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (edit_weights(remove_bias), f"it has no {BIAS}"),
        (edit_weights(reshape_kernel), f"{KERNEL} is 1 x 1 x 7 x 3, expected 1 x 1 x 192 x 32"),
        (edit_weights(add_array), "it also holds more"),
        (
            lambda folder: set_config(folder, decoder_widths=[128, 96, 64, 48, 24]),
            "layers/conv2d_42/vars/0 is 1 x 1 x 48 x 128, expected 1 x 1 x 48 x 96",
        ),
        (
            lambda folder: set_config(folder, decoder="transposed"),
            "it has no layers/conv2d_transpose/vars/0",
        ),
    ],
    ids=["less", "another shape", "more", "another width", "another decoder"],
)
def test_weights_of_another_network(tmp_path, refuse, change, match):
    another = (
        r"changed\.zip/model\.weights\.h5 holds the weights of another network than the one in "
    )
    refuse(pack(tmp_path, change), rf"{another}config\.json: {match}\.$")


NOT_FINITE = pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])


@NOT_FINITE
def test_weights_that_are_no_numbers(tmp_path, refuse, number):
    def spoil(file):
        file[KERNEL][0, 0, 3, 3] = number

    where = rf"changed\.zip/model\.weights\.h5 holds weights that are NaN or infinite, in {KERNEL}"
    refuse(pack(tmp_path, edit_weights(spoil)), where)


def edit_network(change):
    """Return a change of a model folder that edits the network in its `model.tflite`."""

    def edit(folder):
        set_config(folder)
        network = schema.ModelT.InitFromPackedBuf((folder / LITERT).read_bytes())
        change(network)
        (folder / LITERT).write_bytes(packed(network))

    return edit


def packed(network) -> bytes:
    builder = flatbuffers.Builder(0)
    builder.Finish(network.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def first_convolution(network):
    """Return the operator of the first convolution, whose weights are FLOAT32."""
    codes = [max(c.builtinCode, c.deprecatedBuiltinCode) for c in network.operatorCodes]
    graph = network.subgraphs[0]
    convolution = next(
        operator
        for operator in graph.operators
        if codes[operator.opcodeIndex] == schema.BuiltinOperator.CONV_2D
    )
    kinds = {graph.tensors[i].type for i in convolution.inputs}
    assert kinds == {schema.TensorType.FLOAT32}
    return convolution


def constant(network, index):
    """Return the numbers of a FLOAT32 tensor, to look at and to change."""
    buffer = network.buffers[network.subgraphs[0].tensors[index].buffer]
    buffer.data = np.array(buffer.data, np.uint8)
    return buffer.data.view(np.float32)


@NOT_FINITE
@pytest.mark.parametrize("part", [1, 2], ids=["kernel", "bias"])
def test_a_network_whose_weights_are_no_numbers(tmp_path, refuse, part, number):
    def spoil(network):
        constant(network, first_convolution(network).inputs[part])[1] = number

    where = r"changed\.zip/model\.tflite holds weights that are NaN or infinite"
    refuse(pack(tmp_path, edit_network(spoil)), where)


SCALES = "holds scales of weights that are NaN or infinite"


@NOT_FINITE
@pytest.mark.parametrize(
    ("weights", "said"),
    [(True, SCALES), (False, "")],  # LiteRT itself may refuse those, or crash
    ids=["weights", "activations"],
)
def test_a_network_whose_scales_are_no_numbers(tmp_path, refuse, weights, said, number):
    def spoil(network):
        tensors = [
            tensor
            for tensor in network.subgraphs[0].tensors
            if tensor.type == schema.TensorType.INT8
            and (network.buffers[tensor.buffer].data is not None) == weights
        ]
        quantization = tensors[len(tensors) // 2].quantization
        quantization.scale = np.array(quantization.scale, np.float32)
        quantization.scale[-1] = number
        (tmp_path / LITERT).write_bytes(packed(network))

    path = pack(tmp_path, edit_network(spoil))
    with pytest.raises(ModelError, match=SCALES):
        check_numbers(tmp_path / LITERT)
    refuse(path, rf"was not imported: .*changed\.zip/model\.tflite .*{said}")


def halve_first_bias(network, number: float) -> None:
    """Make the first bias, with `number` in it, a FLOAT16 that becomes a FLOAT32 at the start.

    This is how converters write networks of half the size.
    """
    graph = network.subgraphs[0]
    target = first_convolution(network).inputs[2]
    bias = constant(network, target).astype(np.float16)
    bias[0] = number
    network.buffers[graph.tensors[target].buffer].data = bias.view(np.uint8)
    half = copy.copy(graph.tensors[target])
    half.name, half.type = b"half", schema.TensorType.FLOAT16
    graph.tensors.append(half)
    network.buffers.append(schema.BufferT())
    graph.tensors[target].buffer = len(network.buffers) - 1
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = 3
    network.operatorCodes.append(code)
    operator = schema.OperatorT()
    operator.opcodeIndex = len(network.operatorCodes) - 1
    operator.inputs, operator.outputs = [len(graph.tensors) - 1], [target]
    graph.operators.insert(0, operator)


@pytest.mark.parametrize("number", [np.nan, -np.inf, 0.0])
def test_a_network_whose_half_weights_are_no_numbers(tmp_path, refuse, own_models, number):
    path = pack(tmp_path, edit_network(lambda network: halve_first_bias(network, number)))
    if np.isfinite(number):  # the network itself can run
        assert import_model(path).name == "changed"
    else:
        refuse(path, r"changed\.zip/model\.tflite holds weights that are NaN or infinite")


def one_constant(path, kind, data, *, scale=None, **place):
    """Write a network with one constant and nothing else."""
    buffer, tensor = schema.BufferT(), schema.TensorT()
    buffer.data = np.frombuffer(data, np.uint8) if data else None
    for name, value in place.items():
        setattr(buffer, name, value)
    tensor.type, tensor.buffer = getattr(schema.TensorType, kind), 1
    if scale is not None:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = [scale]
    graph, network = schema.SubGraphT(), schema.ModelT()
    graph.tensors, network.subgraphs = [tensor], [graph]
    network.buffers = [schema.BufferT(), buffer]
    path.write_bytes(packed(network))
    return path


def test_constants_of_every_type_are_checked(tmp_path):
    path = tmp_path / LITERT
    for kind, dtype in litert_file.FLOATS.items():
        check_numbers(one_constant(path, kind, np.ones(2, dtype).tobytes()))
        for number in (np.nan, np.inf):
            spoilt = np.array([0, number], dtype).tobytes()
            with pytest.raises(ModelError, match="weights that are NaN or infinite"):
                check_numbers(one_constant(path, kind, spoilt))
    check_numbers(one_constant(path, "BFLOAT16", b"\x7f\x7f"))  # the largest
    for spoilt in (b"\x80\x7f", b"\xc0\xff"):  # infinite, NaN
        with pytest.raises(ModelError, match="weights that are NaN or infinite"):
            check_numbers(one_constant(path, "BFLOAT16", spoilt))
    for kind in ("INT8", "UINT8", "INT32", "BOOL"):
        check_numbers(one_constant(path, kind, b"\xff\xff\xff\x7f", scale=0.5))


@NOT_FINITE
def test_scales_of_weights_are_checked(tmp_path, number):
    path = one_constant(tmp_path / LITERT, "INT8", b"\1\2", scale=number)
    with pytest.raises(ModelError, match="holds scales of weights that are NaN or infinite"):
        check_numbers(path)


def test_constants_that_cannot_be_checked(tmp_path):
    path = one_constant(tmp_path / LITERT, "STRING", b"\1\2")
    with pytest.raises(ModelError, match="of the type STRING, which cannot be checked; expected F"):
        check_numbers(path)
    one_constant(path, "FLOAT32", None, offset=64, size=8)
    with pytest.raises(ModelError, match="stores weights outside of its buffers, by offset"):
        check_numbers(path)


def test_weights_with_links_are_not_imported(tmp_path, refuse):
    path = pack(tmp_path, edit_weights(add_external_link))
    refuse(path, r"changed\.zip/model\.weights\.h5 holds links")


@pytest.mark.parametrize(
    ("code", "timeout", "match"),
    [
        ("import os; os.abort()", 60, r"crashed the process that tried it \(exit code -6\)"),
        ("import sys; sys.exit('no room')", 60, r"\(exit code 1: no room\)"),
        ("import sys; sys.stdin.read()", 0, "was stopped: trying it took more than 0 s"),
    ],
)
def test_a_network_that_crashes_or_hangs(
    make_zip, contents, refuse, monkeypatch, code, timeout, match
):
    monkeypatch.setattr(probe, "CODE", code)
    monkeypatch.setattr(probe, "TIMEOUT", timeout)
    refuse(make_zip(contents), match)


def test_python_that_cannot_be_started(make_zip, contents, refuse, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/no/python")
    refuse(make_zip(contents), "cannot be tried: Python cannot be started as '/no/python'")


def test_importing_runs_no_code_of_the_working_folder(tmp_path, monkeypatch):
    path = export_model("nuclei", tmp_path)
    trap = tmp_path / "trap"
    trap.mkdir()
    for module in ("numpy", "h5py", "napari_nucseg", "sitecustomize"):
        (trap / f"{module}.py").write_text(f"open({str(trap / 'sprung')!r}, 'w')")
    monkeypatch.chdir(trap)

    import_model(path, "mine")

    assert not (trap / "sprung").exists()
    assert "mine" in model_names()
