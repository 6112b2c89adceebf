"""The commands of ``python -m reports`` that need more than a line each, one a file.

Each declares its arguments (``declare``) and does its work (``act``), from a parsed command line to
an ``Answer``. What is wrong with the input is a ConfigError; a disk that refuses an OSError.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

NOTHING_WRONG, SOMETHING_WRONG = 0, 1


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command prints, and its exit code: 0, or 1 where it found something wrong."""

    lines: tuple[str, ...]
    code: int = NOTHING_WRONG


Act = Callable[[argparse.Namespace], Answer]
