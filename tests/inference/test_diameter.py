"""What one look at a scale says, from maps that are known."""

from dataclasses import replace

import numpy as np
import pytest
from drawn_maps import FakeEngine, draw_disks, perfect_maps
from scipy import ndimage

from napari_nucseg.inference import diameter as module
from napari_nucseg.inference.diameter import Look, _look, estimate_diameter
from napari_nucseg.inference.maps import PlaneInput, PlaneMaps
from napari_nucseg.model.config import ModelConfig, NetworkConfig
from napari_nucseg.preprocessing.normalize import InputConfig, IntensityRange

DISKS = draw_disks((96, 96), [(24, 24, 10), (24, 70, 10), (70, 48, 10)])


@pytest.mark.parametrize(
    ("outputs", "channels"),
    [
        (("foreground", "distance", "offset"), [0, 1, 2, 3]),
        (("foreground", "offset", "distance"), [0, 2, 3, 1]),
    ],
)
def test_the_order_of_the_outputs_does_not_matter(outputs, channels):
    maps = perfect_maps(DISKS).maps[..., channels]

    look = _look(PlaneMaps(maps, DISKS.shape, 1.0), _config(outputs))

    assert look.diameter == pytest.approx(20, abs=0.5)
    assert look.share == pytest.approx((DISKS > 0).mean(), rel=0.02)
    assert 0.3 < look.distance < 0.5


def test_a_network_without_a_distance_map_can_estimate_too():
    maps = perfect_maps(DISKS).maps[..., [0, 2, 3]]

    look = _look(PlaneMaps(maps, DISKS.shape, 1.0), _config(("foreground", "offset")))

    assert look.diameter == pytest.approx(20, abs=0.5)
    assert look.distance == 1.0


def test_a_scale_at_which_nothing_is_found_has_no_credit():
    assert Look(0.0, 0.0, 0.0, 0.0, 0).credit(_config(("foreground",))) == 0.0


def test_the_scale_at_which_the_network_is_surer_has_more_credit():
    perfect = perfect_maps(DISKS).maps
    pale = perfect.copy()
    pale[..., 0] *= 0.8
    config = _config(("foreground", "distance", "offset"))

    sure, unsure = (_look(PlaneMaps(m, DISKS.shape, 1.0), config) for m in (perfect, pale))

    assert (unsure.diameter, unsure.share) == (sure.diameter, sure.share)
    assert unsure.probability == pytest.approx(0.8 * sure.probability, rel=1e-3)
    assert unsure.credit(config) == pytest.approx(0.8**4 * sure.credit(config), rel=4e-3)


def test_one_heap_has_less_credit_than_many_nuclei():
    config = _config(("foreground", "distance", "offset"))
    many = Look(diameter=22.0, share=0.1, distance=0.4, probability=0.85, count=98)
    heap = Look(diameter=22.0, share=0.1, distance=0.4, probability=0.95, count=1)

    assert many.credit(config) > heap.credit(config)
    assert replace(heap, count=98).credit(config) == pytest.approx(0.98 * 3 * heap.credit(config))


def _sees_pairs_as_one(tile):
    """Foreground in which gaps of up to 2 pixels are closed, and without what is over 26 high."""
    closed = ndimage.binary_closing(np.pad(tile[..., 0] > 0, 4), np.ones((1, 3)))[4:-4, 4:-4]
    parts, _ = ndimage.label(closed)
    for number, box in enumerate(ndimage.find_objects(parts), start=1):
        if box[0].stop - box[0].start > 26:
            closed[parts == number] = False
    return closed[..., None].astype(np.float32)


def _pairs():
    """Return a plane of disks and its preparation: at native scale the disks seem larger."""
    # Disks of 15 pixels, 2 pixels apart in pairs: one at native scale, two once enlarged.
    disks = [
        (20 + 30 * i, 20 + 50 * j + 17 * k, 7) for i in range(8) for j in range(5) for k in (0, 1)
    ]
    plane = np.where(draw_disks((256, 256), disks) > 0, 1.0, -1.0)[..., None]
    config = ModelConfig(
        name="m",
        network=NetworkConfig(outputs=("foreground",)),
        input=InputConfig(clip=100.0),
        diameter=30.0,
        diameter_range=(24.0, 60.0),
    )
    return plane, PlaneInput(config, IntensityRange((-1.0,), (1.0,)), (0,), False, 1.0)


def test_small_nuclei_are_looked_at_again_at_the_scale_that_they_ask_for(monkeypatch):
    plane, native = _pairs()
    engine = FakeEngine(_sees_pairs_as_one)

    assert estimate_diameter(plane, native, engine) == pytest.approx(14, abs=1)
    monkeypatch.setattr(module, "CLOSER_LOOKS", 0)
    assert estimate_diameter(plane, native, engine) == pytest.approx(14 * np.sqrt(2), abs=2)


@pytest.mark.parametrize(
    ("diameter", "probability", "looks"), [(20.0, 1.0, 1), (15.0, 1.0, 4), (20.0, 0.8, 4)]
)
def test_other_scales_are_looked_at_only_where_native_scale_is_not_clear(
    diameter, probability, looks
):
    outputs = ("foreground", "distance", "offset")
    maps = perfect_maps(DISKS).maps.astype(np.float32)  # disks of 20 pixels
    maps[..., 0] *= probability

    def see(tile):
        return maps if tile.shape[:2] == DISKS.shape else np.zeros((*tile.shape[:2], 4), np.float32)

    engine = FakeEngine(see)
    config = _config(outputs).model_copy(update={"diameter": diameter})
    native = PlaneInput(config, IntensityRange((0.0,), (1.0,)), (0,), False, 1.0)
    plane = (DISKS > 0).astype(np.float32)[..., None]

    assert estimate_diameter(plane, native, engine) == pytest.approx(20, abs=0.5)
    assert len(engine.shapes) == looks


def test_a_closer_look_that_finds_nearly_nothing_changes_nothing():
    plane, native = _pairs()

    def go_blind(tile):
        if len(engine.shapes) <= len(module.SCALES):
            return _sees_pairs_as_one(tile)
        speck = np.zeros((*tile.shape[:2], 1), np.float32)
        speck[20:25, 20:25] = 1
        return speck

    engine = FakeEngine(go_blind)

    assert estimate_diameter(plane, native, engine) == pytest.approx(14 * np.sqrt(2), abs=2)
    assert len(engine.shapes) == len(module.SCALES) + 1


def _config(outputs):
    return ModelConfig(
        name="m",
        network=NetworkConfig(outputs=outputs),
        diameter=22.0,
        diameter_range=(14.0, 36.0),
    )


def test_where_there_is_nothing_to_measure_nothing_is_estimated():
    engine = FakeEngine(lambda tile: np.zeros((*tile.shape[:2], 4), np.float32))
    native = PlaneInput(
        _config(("foreground", "distance", "offset")),
        IntensityRange((0.0,), (1.0,)),
        (0,),
        False,
        1.0,
    )

    assert estimate_diameter(np.zeros((128, 128, 1), np.float32), native, engine) is None
