"""What is looked at on every host before anything is changed there, and what it means.

Rule 1: a check reads what was measured (``look.Look``) and says everything in one go; it refuses
only where the run cannot work or would do harm. What a network does to frames is the run's to find.
Rule 2: this table is the one place: the doctor, the preflight of every run and ``docs/doctor.md``
(``python -m fixtures doctor --list``) are made of it.
"""

from matrix.preflight.examine import examine, reached, unreachable
from matrix.preflight.table import CHECKS, Check

__all__ = ["CHECKS", "Check", "examine", "reached", "unreachable"]
