"""``python -m fixtures``: what is wrong with a command line is one sentence, and no host is touched."""

from __future__ import annotations

import pytest

from fixtures.__main__ import main


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("cleanup --site /nowhere.toml", "/nowhere.toml: cannot read the site file"),
        ("cleanup --host x --ssh-config /nowhere", "/nowhere: no such ssh_config file"),
        ("cleanup --wait x", "'x' is no number of seconds, such as 60"),
        ("cleanup --wait nan", "'nan' is no number of seconds"),
        ("cleanup --host x --site y", "not allowed with argument"),
        ("doctor --site /nowhere.toml", "cannot read the site file"),
        ("doctor --site tox.ini", "not TOML"),
        ("doctor --json --list", "not allowed with argument"),
        ("plan --ssh-config /nowhere", "no such ssh_config file"),
        ("heal", "invalid choice: 'heal'"),
        ("", "required: COMMAND"),
    ],
)
def test_bad_usage(arguments: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and what to write."""
    try:
        code = main(arguments.split())
    except SystemExit as error:  # argparse's own way
        code = int(str(error.code))
    said = capsys.readouterr()
    assert (code, words in said.err) == (2, True), said
    assert not said.out


def test_without_a_lab(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a lab that is gone nothing is left; one that is not up cannot be looked at."""
    monkeypatch.setenv("L2MATRIX_LAB_DIR", "/nonexistent/lab")
    assert main(["cleanup"]) == 0
    assert (
        capsys.readouterr().out == "no embedded lab is up, and one that is gone has left nothing\n"
    )
    assert main(["doctor"]) == 1
    assert "bring one up: python -m fixtures.lab up" in capsys.readouterr().err
