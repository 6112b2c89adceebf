"""A record holds all that a verdict rests on: judged again it is the same, or the rules have changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from matrix.cause import Scene
from matrix.diagnose import diagnose
from matrix.errors import ConfigError
from matrix.judge import judge
from matrix.plan import plan
from matrix.probes import Cell, Neighbour, NotRun, Observation, Resolution, Seen, Verdict
from matrix.record import Run, dump, load
from matrix.record_of import cause_record, cell_records
from matrix.rejudge import observation, rejudge
from matrix.scene_record import not_run, scene_record, scene_values
from reports.__main__ import main
from tests.unit.sample_net import LAB, Net, scene
from tests.unit.sample_run import SITE, healthy, spoiled

NETS = {
    "healthy": Net(),
    "dead": Net(dead=frozenset({"dev-node-01"})),
    "deaf": Net(deaf=frozenset({"c3"})),
    "mute": Net(mute=frozenset({"c7"})),
    "gone": Net(gone=frozenset({"c5"})),
    "hairpin": Net(hairpin=frozenset({"dev-master-01"})),
}


def recorded(seen: Scene) -> Run:
    """The run that saw this, as it comes back from the disk."""
    causes, judgements = diagnose(seen)
    run = healthy()
    ids = frozenset(cell.id for cell in seen.cells)
    return load(
        dump(
            replace(
                run,
                site=replace(run.site, text=SITE.read_text()),
                cells=cell_records(seen.cells, ids, seen.outcomes, judgements, seen.traces),
                causes=tuple(cause_record(cause) for cause in causes),
                evidence=scene_record(seen),
            )
        )
    )


@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_judged_again_a_run_is_the_same(net: Net) -> None:
    """Every verdict, reason, cause and control, to the byte, on whole and on broken networks."""
    run = recorded(scene(net))
    assert dump(rejudge(run)) == dump(run)


def test_cells_that_did_not_run_are_the_same() -> None:
    """With the name that was looked up before."""
    cells = plan(LAB)
    named = next(c for c in cells if c.by == "name" and c.relation == "sibling")
    found = Resolution(named.target.name, (), "NO-ANSWER", "127.0.0.11", 5000.0)
    lost = NotRun(named.id, "c1: no namespace", found, "ping c2")
    seen = scene(Net())
    outcomes = {**seen.outcomes, named.id: lost}
    seen = replace(seen, outcomes=outcomes, judgements=judge(cells, outcomes, seen.identities))
    run = recorded(seen)
    assert run.evidence
    assert not_run(run.evidence, name="x") == {named.id: lost}
    assert dump(rejudge(run)) == dump(run)


def test_a_verdict_that_today_would_not_give_is_changed() -> None:
    """What was written is not believed, what was seen is."""
    run = recorded(scene(Net()))
    again = rejudge(spoiled(run, "bridge:c1:c3:address", Verdict.FAIL))
    assert again.cells == run.cells


def _other(kind: Any, number: int) -> Any:
    """Something that is not the default, for each type that an observation has."""
    return {
        "str": f"text {number}", "int": number, "bool": True, "float": number / 8,
        "tuple[float, ...]": (number / 8,), "tuple[int, ...]": (number,),
        "tuple[str, ...]": (f"text {number}",), "Seen": Seen.YES, "int | None": number,
        "Neighbour | None": Neighbour("02:42:00:00:00:01", "STALE"),
        "Resolution | None": Resolution("c1", ("192.0.2.1",), "NOERROR", "127.0.0.11", 1.25),
    }[kind]  # fmt: skip


def test_the_record_keeps_every_field_of_an_observation() -> None:
    """One that is added and not kept would be judged as if it had not been seen."""
    cell: Cell = next(c for c in plan(LAB) if c.id == "bridge:c1:c1:name")
    values = {f.name: _other(f.type, n) for n, f in enumerate(fields(Observation), 1)}
    seen = Observation(**{**values, "cell": cell.id})
    (record,) = cell_records([cell], frozenset(), {cell.id: seen}, {}, {})
    assert record.observed
    assert observation(cell, record.observed) == seen


def _value(hint: Any) -> Any:
    """A value of that type with something in it, for every type that a scene's fields are made of."""
    arguments = get_args(hint)
    if is_dataclass(hint):
        types = get_type_hints(hint)
        return hint(**{f.name: _value(types[f.name]) for f in fields(hint)})  # type: ignore[operator]
    if get_origin(hint) is Mapping:
        return {_value(arguments[0]): _value(arguments[1])}
    if get_origin(hint) is tuple:
        return tuple(_value(one) for one in arguments if one is not Ellipsis)
    if arguments:  # X | None
        return _value(arguments[0])
    return {str: "text", int: 7, bool: True, float: 0.5}[hint]


def test_the_record_keeps_every_field_of_a_scene() -> None:
    """Whatever is in it, through JSON and back."""
    hints = get_type_hints(Scene)
    kept = {name: _value(hints[name]) for name in scene_record(scene(Net())) if name in hints}
    assert {"identities", "links", "claims", "canaries"} < set(kept)
    seen = replace(scene(Net()), **kept)
    assert scene_values(json.loads(json.dumps(scene_record(seen))), name="x") == kept


def test_a_lone_surrogate_does_not_cost_the_record() -> None:
    """Undecodable words of a host stand in the evidence as they came."""
    seen = scene(Net(), states={("bridge", "c1"): "\udc80"})
    assert scene_record(seen)["states"] == [[["bridge", "c1"], "\udc80"]]
    assert dump(replace(healthy(), evidence=scene_record(seen)))


def test_what_cannot_be_judged_again_is_refused() -> None:
    """Half of the evidence is none."""
    run = recorded(scene(Net()))
    for wrong, said in (
        (replace(run, evidence=None), "did not keep all"),
        (replace(run, site=replace(run.site, text="")), "did not keep all"),
        (replace(run, started_at="yesterday"), "is no time"),
        (replace(run, evidence={"links": 7}), r"evidence\.links"),
        (replace(run, evidence={"not_run": [1]}), r"evidence\.not_run"),
        (
            replace(run, cells=(replace(run.cells[0], id="x"), *run.cells[1:])),
            "lacks 1 of its cells",
        ),
    ):
        with pytest.raises(ConfigError, match=said):
            rejudge(wrong)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what changes, leaves the run alone, and writes a new one where it is asked to."""
    run = recorded(scene(Net()))
    path = tmp_path / "run.json"
    for old, code, said in (
        (run, 0, "judge all 112 cells of this run as they were judged then"),
        (spoiled(run, "bridge:c1:c3:address", Verdict.FAIL), 1, "bridge:c1:c3:address: FAIL"),
    ):
        path.write_bytes(dump(old))
        assert main(["rejudge", str(tmp_path)]) == code
        assert said in capsys.readouterr().out
        assert path.read_bytes() == dump(old)
    new = tmp_path / "new"
    assert main(["rejudge", str(tmp_path), "--write", str(new)]) == 1
    assert load((new / "run.json").read_bytes()).cells == run.cells
    assert main(["rejudge", str(tmp_path), "--write", str(new)]) == 2
    assert "is there already" in capsys.readouterr().err
