"""Cleans strings from providers; every one passes here before it is shown or logged.

A provider chooses its name, its output and its error messages. Control characters drive terminals, bidirectional
marks reorder text, a single line can have megabytes. Here such text becomes plain, short and visible. Escaping for
HTML is the page's business (it shows text as text); this is about the characters themselves.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST_LINE = 4096
LONGEST_NAME = 80

# OSC, DCS, PM, APC and SOS strings up to their terminator, then CSI sequences, then two-character escapes.
_ESCAPES = re.compile(
    r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-~]?"
)
# More than a few marks on one letter are a tower that covers the lines above and below.
_PILES = re.compile(
    r"([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{4})"
    r"[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+"
)
# Where a spreadsheet begins a cell and reads a formula: half the world's separate cells by semicolons, quoted or not.
_FORMULAS = re.compile(r"(^|[;\t])((?:[^\S\t]|\")*[=+\-@\uff1d\uff0b\uff0d\uff20])")


def clean_line(text: str, *, longest: int = LONGEST_LINE) -> str:
    """One line of a provider's text as it may be shown: no escapes or controls, marks visible, cut at ``longest``."""
    cut = len(text) > 4 * longest  # a line of megabytes is not worth its regular expressions
    shown = text[: 4 * longest]
    if not shown.isprintable():
        shown = "".join(map(_visible, _ESCAPES.sub("", shown)))
    shown = _PILES.sub(r"\1", shown)
    if cut or len(shown) > longest:
        return shown[: longest - 1] + "…"
    return shown


def clean_text(text: str, *, longest: int = LONGEST_LINE) -> str:
    """Several lines of a provider's text as they may be shown; a carriage return starts a new line."""
    return "\n".join(clean_line(line, longest=longest) for line in re.split(r"\r\n|\n|\r", text))


def last_line(log: bytes, *, longest: int) -> str:
    """The last line with something in it of what a program at a provider printed, as it may be shown; or nothing."""
    lines = [line for line in log[-LONGEST_LINE:].decode(errors="replace").splitlines() if line.strip()]
    return clean_line(lines[-1].strip(), longest=longest) if lines else ""


def clean_name(text: str) -> str:
    """A provider's name as it may be shown: one short line, never empty."""
    return clean_line(" ".join(text.split()), longest=LONGEST_NAME).strip() or "(no name)"


def spreadsheet_cell(text: str) -> str:
    """A text of strangers as it may be a cell of a CSV file: nothing in it is a formula to any spreadsheet."""
    return _FORMULAS.sub(r"\1'\2", text)


def sentence(words: str) -> str:
    """These words, closed by a full stop where they end with none, as those of programs and providers often do.

    For messages that end with the words of others: what follows them is a sentence of its own.
    """
    return words if not words or words.endswith((".", "!", "?", "…")) else f"{words}."


def _visible(character: str) -> str:
    if character == "\t" or character.isprintable():
        return character
    category = unicodedata.category(character)
    if category == "Zs":
        return character
    if category in {"Cc", "Cs"}:
        return ""
    return f"\\u{ord(character):04x}"
