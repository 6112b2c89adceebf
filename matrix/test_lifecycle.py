"""Events: one test for each pair that an event of the site touches. See ``matrix.lifecycle``."""

from __future__ import annotations

import pytest

from matrix.lifecycle import LifecyclePair
from matrix.probes import Judgement


def test_pair(lifecycle_pair: LifecyclePair, lifecycle_judgement: Judgement) -> None:
    """The pair lost what it must lose by the mechanism, and no more."""
    assert lifecycle_judgement.cell == lifecycle_pair.id  # noqa: S101  this is a test
    if not lifecycle_judgement.verdict.holds:
        pytest.fail(f"{lifecycle_judgement.verdict}: {lifecycle_judgement.reason}", pytrace=False)
