"""Messages in the words of the shell: options where Python has parameters, and napari fields."""

import re
from functools import cache

from napari_nucseg.cli._options import option_name
from napari_nucseg.finetune_params import FineTuneParams
from napari_nucseg.params import SegmentParams

ARGUMENTS = ("axes", "pixel_size", "workers", "scheduler", "block", "overlap")
"""What Python takes beside parameters, and the shell as options of the same names."""

WORDS = {"Output": "output", "Overwrite": "overwrite", "Pixel size": "pixel_size"}
"""What messages call other arguments, as napari's fields are labelled if it has one."""


def in_shell_words(message: str) -> str:
    """Return a message of the library that names options, such as ``--link-depth``.

    Only where a parameter is surely meant: at the beginning, as in ``channels: the image has 2``,
    with a value, as in ``engine='litert'``, after "pass", and where it changed, as in
    ``(min_size 0, now 9)``; or the label of its field, as in "lower Minimum size". Paths and other
    words stay.
    """
    first, valued, passed, changed = _patterns()
    labelled, options = _labels()
    message = labelled.sub(lambda found: found[1] + option_name(options[found[2]]), message)
    message = valued.sub(lambda found: f"{option_name(found[1])} {found[2]}", message)
    for pattern in (first, passed, changed):
        message = pattern.sub(lambda found: option_name(found[0]), message)
    return message


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    fields = (*SegmentParams.model_fields, *FineTuneParams.model_fields, *ARGUMENTS)
    name = f"(?:{'|'.join(fields)})"
    return (
        re.compile(rf"^{name}(?=: | needs | must | ')"),
        re.compile(rf"(?<!\S)({name})='([^'\s]*)'"),
        re.compile(rf"(?<=\bpass ){name}(?=[\s,;]|\.(?:\s|$))"),
        re.compile(rf"(?:(?<=\()|(?<=; )){name}(?= [^;()]+, now )"),
    )


@cache
def _labels() -> tuple[re.Pattern[str], dict[str, str]]:
    """Return where the label of a field is surely meant, and the name of the option by label."""
    options = {str(info.title): name for name, info in SegmentParams.model_fields.items()} | WORDS
    before = (
        r"^(?=Pixel size must )|\((?=Overwrite )|\bor (?=Overwrite\b)"
        r"|\b(?:than|lower|turn on|turn off|try|give|another) "
    )
    return re.compile(rf"({before})({'|'.join(options)})(?=[\s,;]|\.(?:\s|$))"), options
