"""What pytest collects, as a person sees it: a dry run of a whole session, which asks no host."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.sample_run import big_site

ROOT = Path(__file__).parents[2]


def dry_run(*arguments: str) -> tuple[int, str]:
    """Exit code and output of ``pytest --collect-only``."""
    argv = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*argv, *arguments],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


def items(text: str) -> list[str]:
    """The test and the id of each item that was collected."""
    return re.findall(r"^matrix/test_(?:matrix|lifecycle)\.py::(\S+)$", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--coverage=sample=0", "such as sample=3"),
        ("--coverage=half", "such as sample=3"),
        ("--group-above=-1", "0 to group always"),
        ("--shard=1/4", "3 pairs of hosts only"),
    ],
)
def test_a_bad_value_is_one_clear_error(option: str, said: str) -> None:
    """It is a usage error, in one line, without a traceback."""
    code, text = dry_run(option)
    assert code == pytest.ExitCode.USAGE_ERROR
    assert [said in line for line in text.splitlines() if line.startswith("ERROR: ")] == [True]
    assert "Traceback" not in text


def test_cells_become_groups_past_the_threshold(tmp_path: Path) -> None:
    """2,634 cells are more than 2,000: groups, which -k finds by a container's name, too."""
    site = tmp_path / "big.toml"
    site.write_text(big_site(34))
    code, text = dry_run(f"--site={site}", "-m", "bridge", "-k", "frontend-005 and not address")
    assert code == 0, text
    found = items(text)
    assert "test_group[bridge:machine-1:machine-2:remote-container:name]" in found
    assert "test_group[bridge:machine-1:machine-1:sibling:name]" in found
    assert all(re.fullmatch(r"test_group\[bridge:\S+:name\]", item) for item in found)
    assert all("machine-1:" in item for item in found)


def test_as_many_cells_as_the_threshold_are_asked_singly() -> None:
    """112 cells are not more than 112, and are more than 111."""
    single, grouped = (items(dry_run(f"--group-above={n}")[1]) for n in (112, 111))
    assert len(single) == 112
    assert "test_cell[bridge:c1:c3:address]" in single
    assert 0 < len(grouped) < 60
    assert all(item.startswith("test_group[") for item in grouped)


def test_a_dry_run_shows_what_would_be_covered() -> None:
    """Only chosen cells are collected, and the last lines say how many of how many."""
    code, text = dry_run("--coverage=sample=1", "-m", "vlan")
    assert code == 0, text
    assert re.search(
        r"^coverage: sample=1 \(day \d{4}-\d\d-\d\d\): 64 of 112 cells, 32 of them selected; "
        r"the rest is not asked, but for \d+ controls$",
        text,
        re.MULTILINE,
    )
    assert len(items(text)) == 32


def test_events_happen_only_where_they_are_asked_for() -> None:
    """The site's pairs are no part of a run without -m lifecycle, and all of it with."""
    site = "--site=sites/lab-lifecycle.toml"
    plain, asked = items(dry_run(site)[1]), items(dry_run(site, "-m", "lifecycle")[1])
    assert not [item for item in plain if "test_pair" in item]
    assert len([item for item in asked if "test_pair[recreate:c1:others:" in item]) == 11
    code, text = dry_run("-m", "lifecycle")
    assert code == pytest.ExitCode.USAGE_ERROR
    assert "has no [[lifecycle]] table" in text
