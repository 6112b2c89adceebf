"""Registers the harness with pytest: the world in ``fixtures``, what is shown in ``reports``."""

pytest_plugins = ("fixtures.plugin", "reports.plugin")
