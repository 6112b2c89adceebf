"""What changed between two runs: every cell that did, no cell that did not, and what is worse."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.probes import Verdict
from matrix.record import CauseRecord, CellRecord, Run, dump
from reports.__main__ import main
from reports.compare import Difference, Kind, compare
from reports.diff import diff_json, diff_lines
from reports.diff_html import MOST_ROWS, diff_html
from reports.noise import ENOUGH, pace
from tests.unit.sample_run import HOSTILE, SCRIPT, WAY, every_verdict, healthy, spoiled

IDS = [cell.id for cell in healthy().cells]
VERDICTS = st.sampled_from([str(verdict) for verdict in Verdict] + [""])
REACHED = "bridge:c1:c3:address"


def changed(run: Run, cell_id: str, change: Callable[[CellRecord], CellRecord]) -> Run:
    """The run with one cell changed."""
    cells = tuple(change(cell) if cell.id == cell_id else cell for cell in run.cells)
    return replace(run, cells=cells)


def slowed(run: Run, factor: float, only: str = "") -> Run:
    """The run with the round trips of all cells, or of one, that much longer."""

    def slow(cell: CellRecord) -> CellRecord:
        if cell.observed is None or (only and cell.id != only):
            return cell
        rtts = tuple(rtt * factor for rtt in cell.observed.rtts_ms)
        return replace(cell, observed=replace(cell.observed, rtts_ms=rtts))

    return replace(run, cells=tuple(slow(cell) for cell in run.cells))


def kinds(found: Difference) -> dict[str, list[Kind]]:
    """What is said of which cell."""
    told: dict[str, list[Kind]] = {}
    for change in found.cells:
        told.setdefault(change.cell.id, []).append(change.kind)
    return told


def test_a_run_does_not_differ_from_itself() -> None:
    """Whatever is in it."""
    for run in (healthy(), every_verdict()):
        found = compare(run, run)
        assert not found.cells
        assert not [*found.macs, *found.site, *found.environment, *found.new_causes]
        assert not found.worse()


@given(st.dictionaries(st.sampled_from(IDS), st.tuples(VERDICTS, VERDICTS), max_size=12))
@settings(max_examples=15, deadline=None)
def test_every_change_of_verdict_is_told_once_and_no_other(
    verdicts: dict[str, tuple[str, str]],
) -> None:
    """New red is what held and does not, fixed the reverse, and the reverse diff mirrors it."""
    runs = [
        replace(
            healthy(),
            cells=tuple(
                replace(c, verdict=verdicts.get(c.id, (c.verdict, c.verdict))[n])
                for c in healthy().cells
            ),
        )
        for n in (0, 1)
    ]
    good = {Verdict.PASS, Verdict.BLOCKED}
    expected = {
        cell: [
            Kind.NEW_RED if was in good and now not in good
            else Kind.FIXED if now in good and was not in good
            else Kind.VERDICT
        ]
        for cell, (was, now) in verdicts.items() if was != now
    }  # fmt: skip
    there, back = compare(*runs), compare(*reversed(runs))
    assert kinds(there) == expected
    mirrored = {Kind.NEW_RED: Kind.FIXED, Kind.FIXED: Kind.NEW_RED, Kind.VERDICT: Kind.VERDICT}
    assert kinds(back) == {cell: [mirrored[some[0]]] for cell, some in expected.items()}
    assert any(c.worse for c in there.cells) is bool(there.worse())


def test_a_more_urgent_verdict_is_worse_and_a_less_urgent_one_is_not() -> None:
    """An impostor is worse than a failure; a failure that became a doubt is not fixed, nor worse."""
    fail = spoiled(healthy(), REACHED, Verdict.FAIL)
    impostor = spoiled(healthy(), REACHED, Verdict.IMPOSTOR)
    assert compare(fail, impostor).worse() == ("1 changed verdict",)
    assert not compare(impostor, fail).worse()


def test_cells_that_came_or_went() -> None:
    """A red one that came is worse; one that is gone is so only where the caller says it."""
    red = spoiled(healthy(), REACHED, Verdict.FAIL)
    without = replace(red, cells=tuple(c for c in red.cells if c.id != REACHED))
    came, gone = compare(without, red), compare(red, without)
    assert kinds(came) == {REACHED: [Kind.CAME]}
    assert came.worse() == ("1 came",)
    assert kinds(gone) == {REACHED: [Kind.GONE]}
    assert not gone.worse()
    assert gone.worse([Kind.GONE]) == ("1 gone",)


def test_cause_way_ttl_mac_and_expectation() -> None:
    """Each is told where it differs, and only there; none of them is worse by itself."""
    cause = CauseRecord("loss", "dev-node-01", "line", "likely", (), (REACHED,), "", "")
    red = replace(spoiled(healthy(), REACHED, Verdict.FAIL, trace=WAY), causes=(cause,))
    other = replace(red, causes=(replace(cause, line="3 of 4 lost"),))
    assert not compare(red, other).cells, "the same fault with another number in its words"
    other = replace(red, causes=(replace(cause, where="dev-master-01"),))
    assert kinds(compare(red, other)) == {REACHED: [Kind.CAUSE]}
    assert [c.where for c in compare(red, other).new_causes] == ["dev-master-01"]
    turned = replace(WAY, passages=WAY.passages[:1])
    other = changed(red, REACHED, lambda c: replace(c, trace=turned))
    assert kinds(compare(red, other)) == {REACHED: [Kind.WAY]}

    def far(cell: CellRecord) -> CellRecord:
        assert cell.observed
        seen = replace(cell.observed, ttls=(63,), neighbour_mac="02:42:00:00:00:99")
        return replace(cell, observed=seen, expected_ttl=63)

    found = compare(healthy(), changed(healthy(), REACHED, far))
    assert kinds(found) == {REACHED: [Kind.TTL, Kind.EXPECTED]}
    assert [(m.endpoint, m.after, m.cells) for m in found.macs] == [
        ("c3", ("02:42:00:00:00:99",), (REACHED,))
    ]
    assert not found.worse()


def test_surroundings() -> None:
    """Kernel, engine, driver and the site file; trouble that is new is worse."""
    run = healthy()
    host = run.hosts[0]
    assert host.before
    link = replace(host.before.links[0], kind="e1000", mtu=9000)
    facts = replace(host.before, kernel="6.12.0", docker_version="29.0", links=(link,))
    site = replace(run.site, sha256="cd" * 32, echoes=5)
    after = replace(
        run, hosts=(replace(host, before=facts), *run.hosts[1:]), site=site, trouble=("not as it was",)
    )  # fmt: skip
    found = compare(run, after)
    assert [(f.where, f.what) for f in found.environment] == [
        (host.name, "kernel"), (host.name, "engine"),
        (host.name, "link enp0s5: driver"), (host.name, "link enp0s5: MTU"),
    ]  # fmt: skip
    assert [f.what for f in found.site] == ["SHA-256", "echoes"]
    assert found.worse() == ("1 new trouble",)
    assert not compare(after, run).worse()


def test_a_later_run_that_ended_early_is_worse() -> None:
    """Also where every cell that it has is as before."""
    assert compare(healthy(), replace(healthy(), phase="observed")).worse()
    assert compare(healthy(), replace(healthy(), cells=())).worse() == (
        "the later run asked no cell",
    )


def test_round_trips_beyond_noise() -> None:
    """One cell that became slow stands out; a run that is slower as a whole has no such cell."""
    run = healthy()
    found = compare(run, slowed(run, 20, only=REACHED))
    assert kinds(found) == {REACHED: [Kind.RTT]}
    assert not found.worse()
    assert found.worse([Kind.RTT]) == ("1 changed round trip",)
    back = compare(slowed(run, 20, only=REACHED), run)
    assert kinds(back) == {REACHED: [Kind.RTT]}
    assert not back.worse([Kind.RTT]), "a shorter round trip is no worse"
    whole = compare(run, slowed(run, 20))
    assert not whole.cells
    assert whole.pace.factor == pytest.approx(20)


@given(st.lists(st.lists(st.floats(0.9, 1.1), min_size=3, max_size=3), min_size=60, max_size=60))
@settings(max_examples=10, deadline=None)
def test_chance_does_not_stand_out(noise: list[list[float]]) -> None:
    """Ten per cent up and down moves no cell over the line, at any length of the way."""
    cells = [c for c in healthy().cells if c.observed and c.observed.rtts_ms][: len(noise)]
    pairs = []
    for cell, factors in zip(cells, noise, strict=False):
        assert cell.observed
        seen = replace(cell.observed, rtts_ms=tuple(40 * factor for factor in factors))
        steady = replace(cell.observed, rtts_ms=(40.0, 40.0, 40.0))
        pairs.append((replace(cell, observed=steady), replace(cell, observed=seen)))
    assert not pace(pairs).outliers


def test_too_few_cells_measure_no_noise() -> None:
    """Nothing is said of round trips then."""
    cells = [c for c in healthy().cells if c.observed and c.observed.rtts_ms][: ENOUGH - 1]
    run = replace(healthy(), cells=tuple(cells))
    assert not compare(run, slowed(run, 50, only=cells[0].id)).cells


def test_nothing_of_a_run_is_obeyed() -> None:
    """Hostile names and words, in every form of the difference."""
    run = replace(spoiled(healthy(), REACHED, Verdict.FAIL, cause=HOSTILE), trouble=(HOSTILE,))
    run = changed(run, REACHED, lambda c: replace(c, id=HOSTILE, reason=HOSTILE, target=HOSTILE))
    found = compare(healthy(), run)
    for line in diff_lines(found):
        assert line.isprintable()
    assert SCRIPT not in diff_html(found).decode()
    assert json.loads(diff_json(found))["new_trouble"] == [HOSTILE]
    assert diff_json(found).isascii()
    assert diff_json(found) == diff_json(compare(healthy(), run))


def test_a_page_of_very_many_cells_counts_the_rest() -> None:
    """It has to open; JSON has all of them."""
    run = healthy()
    cells = tuple(replace(run.cells[0], id=f"c{n}") for n in range(MOST_ROWS + 7))
    before = replace(run, cells=cells)
    after = replace(run, cells=tuple(replace(cell, verdict="FAIL") for cell in cells))
    found = compare(before, after)
    page = diff_html(found).decode()
    assert page.count("<code>c") == MOST_ROWS
    assert "and 7 more" in page
    assert len(json.loads(diff_json(found))["cells"]) == MOST_ROWS + 7


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit codes: 0 nothing worse, 1 something, 2 bad input in one line; the page has the same."""
    for name, run in (("a", healthy()), ("b", spoiled(healthy(), REACHED, Verdict.FAIL))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_bytes(dump(run))
    a, b, page = str(tmp_path / "a"), str(tmp_path / "b"), tmp_path / "diff.html"
    assert main(["diff", a, b, "--html", str(page)]) == 1
    said = capsys.readouterr().out
    assert f"X {REACHED}: PASS" in said
    assert "Worse: 1 new red." in said
    assert REACHED in page.read_text()
    assert main(["diff", b, a]) == 0
    assert "Nothing is worse; 1 fixed." in capsys.readouterr().out
    assert main(["diff", a, b, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["worse"] == ["1 new red"]
    assert main(["diff", a, str(tmp_path / "nowhere")]) == 2
    refused = capsys.readouterr()
    assert not refused.out
    assert len(refused.err.splitlines()) == 1
