"""Text that may come from anyone, for terminals and windows."""


def plain_text(text: str) -> str:
    """Return a text without what could act on a terminal: line breaks, escapes, other controls."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
