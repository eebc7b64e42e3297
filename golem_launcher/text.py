"""The one border that strings from a provider cross before anybody sees them.

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
    r"\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-~]?"
)


def clean_line(text: str, *, longest: int = LONGEST_LINE) -> str:
    """One line of a provider's text as it may be shown: no escapes or controls, marks visible, cut at ``longest``."""
    if len(text) > 4 * longest:  # a line of megabytes is not worth its regular expression
        text = text[: 4 * longest]
        cut = True
    else:
        cut = False
    plain = _ESCAPES.sub("", text)
    shown = "".join(map(_visible, plain))
    if cut or len(shown) > longest:
        return shown[: longest - 1] + "…"
    return shown


def clean_text(text: str) -> str:
    """Several lines of a provider's text as they may be shown; a carriage return starts a new line."""
    return "\n".join(clean_line(line) for line in re.split(r"\r\n|\n|\r", text))


def clean_name(text: str) -> str:
    """A provider's name as it may be shown: one short line, never empty."""
    return clean_line(" ".join(text.split()), longest=LONGEST_NAME).strip() or "(no name)"


def _visible(character: str) -> str:
    if character == "\t" or character.isprintable():
        return character
    category = unicodedata.category(character)
    if category == "Zs":
        return character
    if category in {"Cc", "Cs"}:
        return ""
    return f"\\u{ord(character):04x}"
