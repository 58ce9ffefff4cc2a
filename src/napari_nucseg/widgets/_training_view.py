"""The middle part of the widget: how a training goes."""

from magicgui.widgets import Container, Label, ProgressBar
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QSizePolicy

from napari_nucseg._types import AnyArray
from napari_nucseg.training.finetune import messages as told
from napari_nucseg.training.finetune.messages import Message, Scores
from napari_nucseg.widgets import _finetune_messages as messages
from napari_nucseg.widgets._held_out_picture import HeldOutPicture
from napari_nucseg.widgets._look import keep_room, make_text
from napari_nucseg.widgets._loss_curves import LossCurves


class TrainingView(Container):
    """Shows every message of the child process.

    Attributes
    ----------
    progress : ProgressBar
    split, notes, scores, legend : Label
    curves : LossCurves
    picture : HeldOutPicture
    """

    def __init__(self) -> None:
        self.progress = ProgressBar(visible=False)
        self.split = Label(value="")
        self.notes = Label(value="")
        self.scores = Label(value="")
        self.legend = Label(value=messages.LEGEND)
        self.curves = LossCurves()
        self.picture = HeldOutPicture()
        super().__init__(
            widgets=[self.progress, self.split, self.notes, self.scores, self.legend],
            labels=False,
        )
        self.margins = (0, 0, 0, 0)
        layout = self.native.layout()
        layout.insertWidget(4, self.curves)
        layout.addWidget(self.picture)
        for label in (self.split, self.notes, self.legend):
            make_text(label)
        self.scores.native.setTextFormat(Qt.TextFormat.RichText)
        self.scores.native.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        keep_room(self.progress)
        self.clear()

    def clear(self) -> None:
        """Show nothing."""
        for label in (self.split, self.notes, self.scores):
            label.value = ""
            label.visible = False
        self.legend.visible = False
        self.curves.clear()
        self.curves.hide()
        self.picture.show_picture(None)
        self.picture.hide()

    def wait(self) -> None:
        """Show a busy bar, until something can be counted."""
        self.progress.visible = True
        self.progress.max = 0

    def stop(self) -> None:
        """Show no bar."""
        self.progress.visible = False

    def show_message(self, message: Message, picture: AnyArray | None) -> str:
        """Show a message; return the status line, or "" where it stays."""
        if isinstance(message, told.Progress):
            self.progress.max = message.total
            self.progress.value = message.step
            self.curves.show()
            self.curves.add_training(message.step, message.loss)
            return messages.progress(message)
        if isinstance(message, told.Validation):
            self.curves.show()
            self.curves.add_held_out(message.step, message.loss)
            self._show_scores(before=message.before, now=message.now, best=message.best)
        elif isinstance(message, told.SplitTold):
            self._show(
                self.split,
                messages.split(message.training_nuclei, message.held_out_nuclei, message.held_out),
            )
        elif isinstance(message, told.Started) and message.resumed_epoch:
            self.note(messages.resumed(message.resumed_epoch))
        elif isinstance(message, told.Log):
            self.note(message.text)
        elif isinstance(message, told.Preview):
            self.picture.show_picture(picture)
            self.picture.setVisible(picture is not None)
            self.legend.visible = picture is not None
        elif isinstance(message, told.Finished):
            self._show_scores(before=message.before, after=message.after)
        elif isinstance(message, told.Stage):
            self.progress.max = 0
            return f"{message.text} ..."
        return ""

    def note(self, text: str) -> None:
        """Show a sentence below those before."""
        self._show(self.notes, f"{self.notes.value}\n{text}".strip())

    def _show(self, label: Label, text: str) -> None:
        label.value = text
        label.visible = True

    def _show_scores(self, **columns: Scores) -> None:
        self._show(self.scores, messages.scores(columns))
