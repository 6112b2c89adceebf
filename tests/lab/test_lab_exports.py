"""Reports of several real runs: the diff names what is broken, parts join to the whole, seals hold."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fixtures.lab import Lab
from fixtures.lab.faults import CATALOGUE, broken
from fixtures.lab.faults.effects import EFFECTS
from matrix.record import Run, dump, load
from matrix.rejudge import rejudge
from reports.__main__ import main
from reports.compare import Kind, compare
from tests.lab.conftest import ROOT, command, environment
from tests.lab.test_lab_causes import Broken, run_broken

PARTS = 3


@dataclass(frozen=True, slots=True)
class Said:
    """What a command printed, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


Reports = Callable[..., Said]


@pytest.fixture
def reports(capsys: pytest.CaptureFixture[str]) -> Reports:
    """``python -m reports`` with these arguments, without the second that starting it takes."""

    def run(*arguments: str | Path) -> Said:
        code = main([str(argument) for argument in arguments])
        return Said(code, *capsys.readouterr())

    return run


@dataclass(frozen=True, slots=True)
class Archive:
    """Real runs: one of the healthy lab, one of each part of it, one with a fault."""

    folder: Path
    healthy: Path
    parts: tuple[Path, ...]
    faulty: Path

    def run(self, path: Path) -> Run:
        """The record of one of them."""
        return load((path / "run.json").read_bytes())


@pytest.fixture(scope="module")
def archive(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """Made once: a whole run, three parts, and a whole run with VLAN 200 cut."""
    folder = tmp_path_factory.mktemp("archive")

    def run(*arguments: str, code: int = 0) -> Path:
        argv = command(folder, "-q", *arguments)
        done = subprocess.run(
            argv, cwd=ROOT, env=environment(lab), stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return (folder / "latest").resolve()

    healthy = run()
    parts = tuple(run("--shard", f"{part}/{PARTS}") for part in range(1, PARTS + 1))
    with broken(lab, "vlan-missing"):
        faulty = run(code=1)
    yield Archive(folder, healthy, parts, faulty)
    shutil.rmtree(folder)


def test_the_diff_names_exactly_the_broken_cells(archive: Archive, reports: Reports) -> None:
    """Those that the fault's table says, with its cause, and nothing of what is whole."""
    done = reports("diff", archive.healthy, archive.faulty, "--json")
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    red = {cell["id"] for cell in found["cells"] if cell["kind"] == "new red"}
    bad = {c.id for c in archive.run(archive.faulty).cells if c.verdict not in ("PASS", "BLOCKED")}
    assert red == bad
    effect = EFFECTS["vlan-missing"]
    assert red == {c.id for c in archive.run(archive.healthy).cells if effect.change(c.id)}
    assert {cell["id"] for cell in found["cells"] if cell["kind"] != "changed round trip"} == red
    assert [cause["rule"] for cause in found["new_causes"]] == ["vlan-missing"]
    assert not found["environment"]
    assert not found["site"]
    assert not found["mac_addresses"]
    back = reports("diff", archive.faulty, archive.healthy)
    assert back.returncode == 0
    assert f"Nothing is worse; {len(red)} fixed." in back.stdout


def test_parts_merged_are_the_whole(archive: Archive, tmp_path: Path, reports: Reports) -> None:
    """Every cell once, with the verdict of the run that was not split; a part short is refused."""
    into = tmp_path / "whole"
    short = reports("merge", *archive.parts[:-1], "--into", into)
    assert short.returncode == 2
    assert "missing: 3" in short.stderr
    assert not into.exists()
    done = reports("merge", *archive.parts, "--into", into)
    assert done.returncode == 0, done.stderr
    merged, whole = archive.run(into), archive.run(archive.healthy)
    assert [(c.id, c.verdict, c.selected) for c in merged.cells] == [
        (c.id, c.verdict, c.selected) for c in whole.cells
    ]
    assert reports("diff", archive.healthy, into).returncode == 0


def test_judged_again_real_runs_are_the_same(archive: Archive, reports: Reports) -> None:
    """To the byte: nothing that a verdict or a cause rests on is missing in the record."""
    for path in (archive.healthy, *archive.parts, archive.faulty):
        data = (path / "run.json").read_bytes()
        assert dump(rejudge(load(data))) == data
        assert reports("rejudge", path).returncode == 0


def test_a_sealed_run_verifies_and_a_flipped_byte_does_not(
    archive: Archive, tmp_path: Path, reports: Reports
) -> None:
    """Signed and chained, with the packets; any changed byte, a gap and a stranger are found."""
    key, allowed = tmp_path / "key", tmp_path / "allowed"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    allowed.write_text(f"night@lab {key.with_suffix('.pub').read_text()}")
    sealed: list[Path] = []
    done = Said(0, "", "")
    for path in (archive.healthy, archive.parts[0], archive.faulty):
        out = tmp_path / f"{path.name}.tar"
        previous = ("--previous", sealed[-1]) if sealed else ()
        done = reports("seal", path, "--key", key, "--out", out, *previous)
        assert done.returncode == 0, done.stderr
        sealed.append(out)
    assert "packets.pcapng" in done.stdout
    done = reports("verify", *sealed, "--allowed-signers", allowed)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("signed by night@lab") == 3
    gap = reports("verify", sealed[0], sealed[2])
    assert gap.returncode == 1
    assert "missing between" in gap.stdout
    data = sealed[2].read_bytes()
    for place in (0, 600, len(data) // 2, len(data) - 1):
        flipped = bytearray(data)
        flipped[place] ^= 1
        sealed[2].write_bytes(flipped)
        assert reports("verify", sealed[2]).returncode == 1, place


def test_the_archive_and_the_other_formats(archive: Archive, reports: Reports) -> None:
    """Every night has its place, and every format tells of the fault."""
    done = reports("history", archive.folder)
    assert done.returncode == 0, done.stderr
    page = (archive.folder / "index.html").read_text()
    for path in (archive.healthy, *archive.parts, archive.faulty):
        assert f'href="{path.name}/report.html"' in page
    told = reports("markdown", archive.faulty, "--against", archive.healthy).stdout
    assert "VLAN 200" in told
    assert "new red" in told
    table = reports("csv", archive.faulty).stdout
    assert len(table.splitlines()) == 113
    assert "l2matrix_run_good 0.0" in reports("prometheus", archive.faulty).stdout
    assert "l2matrix_run_good 1.0" in reports("prometheus", archive.healthy).stdout


@pytest.fixture(scope="module")
def sound(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of the whole matrix with nothing broken."""
    return run_broken(lab, tmp_path_factory.mktemp("sound"), [])


@pytest.mark.thorough
@pytest.mark.parametrize("name", [name for name, fault in CATALOGUE.items() if not fault.beyond])
def test_of_every_fault_the_diff_names_the_cells(
    lab: Lab, tmp_path: Path, sound: Run, name: str
) -> None:
    """What must change is new red, what may not is not; judged again it is the same to the byte."""
    run = run_broken(lab, tmp_path, [Broken(name)])
    red = {change.cell.id for change in compare(sound, run).of(Kind.NEW_RED)}
    effect = EFFECTS[name]
    for cell in run.cells:
        changes = [effect.change(cell.id, spared) for spared in effect.spared or ("",)]
        if all(change is not None and change.always for change in changes):
            assert cell.id in red
        elif not any(changes):
            assert cell.id not in red
    text = (ROOT / "sites" / "lab.toml").read_text()
    kept = replace(run, site=replace(run.site, text=text))
    assert dump(rejudge(load(dump(kept)))) == dump(kept)
