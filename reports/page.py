"""Pages made from templates: one file, no network, and nothing of a run is obeyed.

Rule: every value that comes from a record is made visible and escaped on its way into a template.
"""

from __future__ import annotations

import hashlib
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from matrix.grid import plain

_TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **values: Any) -> bytes:
    """The page, UTF-8. The template also gets ``css``, the style of all these pages."""
    text = environment().get_template(template).render(css=_css(), **values)
    return text.encode()


@cache
def _css() -> Markup:
    return Markup((_TEMPLATES / "page.css").read_text())  # noqa: S704  our own file


@cache
def environment() -> Environment:
    """Jinja as all our pages use it."""
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_visible,
        bytecode_cache=_compiled(),
    )


def _compiled() -> FileSystemBytecodeCache | None:
    """Where compiled templates are kept: where Python keeps ours, None where it may not write there.

    Compiling takes a quarter of a second, each run. Jinja looks whether a template has changed, but
    not how it was to be compiled: that (this file, and Jinja's version) is in the files' names.
    """
    folder = _TEMPLATES / "__pycache__"
    if sys.dont_write_bytecode:
        return None
    try:
        folder.mkdir(exist_ok=True)
    except OSError:
        return None
    if not os.access(folder, os.W_OK):
        return None
    how = hashlib.sha256(Path(__file__).read_bytes() + jinja2.__version__.encode()).hexdigest()[:12]
    return FileSystemBytecodeCache(str(folder), f"{how}-%s.jinja")


def _visible(value: object) -> object:
    """What Jinja calls on every value before it is escaped and written."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return plain(value, keep="\n")
    return value
