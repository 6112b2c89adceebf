"""One line of evidence: a label, a value, and how the value is to be shown."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """``kind``: "text", "code" (to type or compare), "raw" (as it came), "cells", "cause", "remedy".

    ``why`` is the number of the reason that belongs behind it, see ``reports.evidence.reasons_of``; 0
    for none.
    """

    label: str
    value: str
    kind: str = "text"
    why: int = 0
