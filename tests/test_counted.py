import pytest

from napari_nucseg.counted import counted, counted_nuclei


@pytest.mark.parametrize(
    ("count", "thing", "text"),
    [
        (0, "nucleus", "0 nuclei"),
        (1, "nucleus", "1 nucleus"),
        (2, "held-out nucleus", "2 held-out nuclei"),
        (1, "image", "1 image"),
        (2, "worker process", "2 worker processes"),
        (1234, "image", "1,234 images"),
    ],
)
def test_nouns_agree_with_their_number(count, thing, text):
    assert counted(count, thing) == text


def test_nuclei_in_time_are_tracks():
    assert [counted_nuclei(2, in_time=in_time) for in_time in (False, True)] == [
        "2 nuclei",
        "2 tracks",
    ]
