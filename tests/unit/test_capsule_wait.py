"""What a lab's nodes say early is not lost while another word is waited for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# In a process of its own: a Watch takes over the signals.
SCRIPT = """
import os
from fixtures.lab import capsule, node
watch = capsule.Watch(os.pipe()[0])
quick = node.Node("the gateway", 0, os.pipe()[0])
watch.early = [(quick, "ready", None)]
assert capsule._wait_for(watch, "held", 0) == []
assert watch.early == [(quick, "ready", None)], watch.early
assert capsule._wait_for(watch, "ready", 1) == [(quick, None)]
assert watch.early == []
"""


def test_an_early_word_outlives_a_wait_for_nobody() -> None:
    """A lab without bare endpoints waits for none of them, while its gateway is ready already."""
    root = Path(__file__).parents[2]
    argv = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(argv, cwd=root, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
