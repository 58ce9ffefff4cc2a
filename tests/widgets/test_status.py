"""The status line of docks: what is wrong is said until a field is changed or a button pressed."""

import pytest
from magicgui.widgets import Container, Label, LineEdit, PushButton
from napari.components import ViewerModel

from napari_nucseg.widgets._scroll import ScrolledForm
from napari_nucseg.widgets._status import StatusLine
from napari_nucseg.widgets.batch_widget import BatchWidget
from napari_nucseg.widgets.correct_widget import CorrectWidget
from napari_nucseg.widgets.finetune_widget import FineTuneWidget
from napari_nucseg.widgets.models_widget import ModelsWidget
from napari_nucseg.widgets.segment_widget import SegmentWidget


class Form(ScrolledForm):
    """A field, a button that finds it wrong unless it is "good", and a text."""

    def __init__(self):
        self.field, self.button = LineEdit(), PushButton(text="Run")
        self.text, self.status = Label(value=""), StatusLine()
        rows = [Container(widgets=[self.field]), self.button, self.text, self.status]
        super().__init__(rows, self.status)
        self.button.changed.connect(self.run)

    def run(self):
        if self.field.value != "good":
            self.status.show_error("It is bad.")


@pytest.fixture
def form(qtbot):
    form = Form()
    qtbot.addWidget(form.native)
    return form


def test_an_error_goes_when_a_field_is_changed(form, notices):
    for _ in range(2):
        form.button.native.click()
        assert form.status.value == "It is bad."
    assert notices == ["It is bad."] * 2
    form.text.value = "a text that is no field"
    assert form.status.value == "It is bad."
    form.field.value = "good"
    assert form.status.value == ""
    form.status.complain("It is bad.")
    form.button.native.click()
    assert form.status.value == ""


def test_what_is_no_error_stays(form):
    form.status.value = "It is done."
    form.field.value = "bad"
    assert form.status.value == "It is done."
    form.status.complain("It is bad.")
    form.status.value = "It is done."
    form.field.value = "good"
    assert form.status.value == "It is done."


FIELDS = {
    SegmentWidget: lambda widget: widget.fields["diameter"],
    BatchWidget: lambda widget: widget.input_field,
    FineTuneWidget: lambda widget: widget.name_field,
    CorrectWidget: lambda widget: widget.review.shapes,
}


@pytest.mark.parametrize("kind", FIELDS)
def test_all_docks_do_so(qtbot, kind):
    viewer = ViewerModel()
    widget = kind(viewer)
    qtbot.addWidget(widget.native)
    widget.status.show_error("It is bad.")
    FIELDS[kind](widget).changed.emit("")
    assert widget.status.value == ""


@pytest.mark.parametrize("kind", [SegmentWidget, BatchWidget])
def test_a_bar_that_moves_is_nothing_that_the_user_changed(qtbot, kind):
    widget = kind(ViewerModel())
    qtbot.addWidget(widget.native)
    widget.status.show_error("It is bad.")
    widget.progress.max = 7
    widget.progress.value = 3
    assert widget.status.value == "It is bad."


def test_so_do_rows_that_are_added(qtbot):
    widget = FineTuneWidget(ViewerModel())
    qtbot.addWidget(widget.native)
    row = widget.rows.add_row()
    widget.status.show_error("It is bad.")
    row.region_box.value = "whole"
    assert widget.status.value == ""


def test_so_does_the_dock_of_models(qtbot):
    widget = ModelsWidget()
    qtbot.addWidget(widget.native)
    widget.status.show_error("It is bad.")
    widget.export_button.native.click()
    widget.export_button.changed.emit(False)  # nothing is chosen, so nothing is asked
    assert widget.status.value == ""
