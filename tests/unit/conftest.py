"""What the unit tests share: no example of a property may fail because the machine was slow."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("no clock", deadline=None)
settings.load_profile("no clock")
