"""Which correction an undo or a redo took back or brought again, seen from the pixels."""

import numpy as np
import pytest

from napari_nucseg.correction.edit import Edit
from napari_nucseg.widgets._step import MOST, Step, Steps


@pytest.fixture
def labels():
    return np.arange(8, dtype=np.int32)


def make(labels, steps, pixel, value, turn=None):
    """Change one pixel, as a step."""
    old = labels[[pixel]]
    labels[pixel] = value
    edit = Edit((np.array([pixel]),), old, labels[[pixel]], (value,))
    steps.add(Step(edit, f"made {value}", turn), labels)


def test_every_undo_and_redo_says_which_step_it_was(labels):
    steps = Steps()
    for pixel, value in ((1, 10), (2, 20), (1, 30)):
        make(labels, steps, pixel, value)
    said = []
    for pixel, value in ((1, 10), (2, 2), (1, 1), (1, 10), (2, 20), (1, 30)):
        labels[pixel] = value
        said.append(steps.turned(labels))
        assert steps.turned(labels) == ""  # a redraw that is neither

    assert said == [
        "Undone: made 30",
        "Undone: made 20",
        "Undone: made 10",
        "made 10",
        "made 20",
        "made 30",
    ]


def test_a_new_step_takes_the_place_of_undone_ones(labels):
    steps = Steps()
    make(labels, steps, 1, 10)
    labels[1] = 1
    assert steps.turned(labels) == "Undone: made 10"
    make(labels, steps, 2, 20)
    labels[1] = 10  # by hand
    assert steps.turned(labels) == ""
    labels[2] = 2
    assert steps.turned(labels) == "Undone: made 20"


def test_old_steps_are_forgotten(labels):
    steps = Steps()
    for value in range(10, 10 + MOST + 2):
        make(labels, steps, 1, value)
    said = []
    for value in reversed(range(9, 9 + MOST + 2)):
        labels[1] = value
        said.append(steps.turned(labels))

    assert [text for text in said if text][-1] == "Undone: made 12"
    assert said.count("") == 2


def test_a_step_without_pixels_is_passed_over(labels):
    steps = Steps()
    make(labels, steps, 1, 10)
    nothing = np.zeros(0, np.int32)
    steps.add(Step(Edit((nothing,), nothing, nothing, ()), "did nothing"), labels)
    assert steps.turned(labels) == ""
    labels[1] = 1
    assert steps.turned(labels) == "Undone: made 10"


def test_what_else_a_step_changed_is_turned_however_old_it_is(labels):
    steps, turns = Steps(), []

    def turn():
        turns.append(len(turns))
        return "And more."

    make(labels, steps, 0, 5, turn)
    for value in range(10, 10 + MOST + 2):
        make(labels, steps, 1, value)
    for value in reversed(range(9, 9 + MOST + 2)):
        labels[1] = value
        steps.turned(labels)
    assert turns == []
    labels[0] = 0
    assert steps.turned(labels) == "Undone: made 5 And more."
    labels[0] = 5
    assert steps.turned(labels) == "made 5 And more."
    assert turns == [0, 1]


def test_steps_undone_at_once_are_all_seen(labels):
    steps, turns = Steps(), []
    make(labels, steps, 1, 10, lambda: turns.append(1) or "")
    make(labels, steps, 1, 20)  # of the same pixel
    labels[1] = 1
    assert steps.turned(labels) == "Undone: made 10"
    labels[1] = 20
    assert steps.turned(labels) == "made 20"
    assert turns == [1, 1]


def test_steps_of_different_pixels_undone_at_once_are_all_seen(labels):
    steps, turns = Steps(), []
    make(labels, steps, 1, 10, lambda: turns.append(1) or "")
    make(labels, steps, 2, 20)
    make(labels, steps, 3, 30)
    labels[1:4] = 1, 2, 3
    assert steps.turned(labels) == "Undone: made 10"
    labels[1:3] = 10, 20
    assert steps.turned(labels) == "made 20"
    assert turns == [1, 1]
    assert steps.turned(labels) == ""


def test_steps_in_another_array_are_forgotten(labels):
    steps = Steps()
    make(labels, steps, 1, 10)
    other = np.arange(8, dtype=np.int32)
    assert steps.turned(other) == ""
    labels[1] = 1
    assert steps.turned(labels) == ""
