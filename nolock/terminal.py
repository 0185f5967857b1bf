"""What stands between reports and the terminal: its encoding, and readers who stop reading.

The consoles of rich are in `console.py`: rich takes a while to load.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
from io import TextIOBase

ASCII = {
    **{"✔": "ok", "✘": "X", "✗": "X", "•": "*", "…": "~"},
    **{"─": "-", "│": "|", "→": "->", "×": "x"},
}
"""How signs are spelled where the encoding lacks them."""
_ERRORS = "nolock"


def prepare_streams() -> None:
    """What the encoding of stdout or stderr lacks is spelled in ASCII, never an error."""
    codecs.register_error(_ERRORS, _spell_out)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_ERRORS)


def _spell_out(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    char = error.object[error.start]
    if "\udc80" <= char <= "\udcff":  # a byte of a file name that could not be decoded
        return bytes([ord(char) - 0xDC00]), error.start + 1
    return ASCII.get(char, "?"), error.start + 1


def write_out(text: str) -> None:
    """Write a document to stdout: in UTF-8, as it says of itself, whatever the terminal's is."""
    sys.stdout.flush()
    try:
        sys.stdout.buffer.write(text.encode(errors="surrogateescape"))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        drop(sys.stdout)


def drop(stream: object) -> None:
    """Lead a stream nowhere. Python flushes stdout once more when it ends; that must not fail."""
    with contextlib.suppress(OSError, ValueError):
        if isinstance(stream, TextIOBase):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
