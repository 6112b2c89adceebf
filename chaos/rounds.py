"""One round: a run is started, struck at a moment, and looked at when it has ended.

It has survived when nothing hung, no verdict is untrue, no traceback was shown, what failed was
said, everything is as it was (after one cleanup, where one is needed), and the next run passes.
"""

from __future__ import annotations

import contextlib
import random
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from chaos.arena import Arena, Started
from chaos.rows import ANY, Phase, Row
from chaos.strikes import Target
from fixtures.lab import faults

START_S = 40.0
NEXT = ("-k", "c5 and c7 and address")
"""The run after a round: it makes links, addresses, a network and containers, and asks across hosts."""

_TRACEBACK = re.compile(r"Traceback|INTERNALERROR|Exception in thread|\bbug of the harness\b")
_CODES = (0, 1, 2)
"""All is well; cells or the run have trouble; interrupted."""


@dataclass(frozen=True, slots=True)
class Round:
    """What came of one round. ``troubles`` is empty where it was survived."""

    row: str
    phase: str
    host: str
    after_s: float
    took_s: float
    troubles: tuple[str, ...]
    said: str
    tried: int = 1

    @property
    def survived(self) -> bool:
        """Whether all was as it must be."""
        return not self.troubles


@dataclass(slots=True)
class Rounds:
    """Plays rounds on an arena. ``truth`` is what each cell must say, by the lab's fault."""

    arena: Arena
    dice: random.Random
    before: list[str]
    truth: dict[str, dict[str, str]]

    @classmethod
    def on(cls, arena: Arena, dice: random.Random, fault_names: set[str]) -> Rounds:
        """Look at everything while it is whole."""
        before = arena.fingerprint()
        truth = {}
        for name in sorted({"", *fault_names}):
            with _fault(arena, name):
                run = arena.start()
                if not run.ends(START_S):
                    raise RuntimeError(f"the run before all others hangs:\n{run.text}")
                truth[name] = verdicts(run)
        if changed := arena.changes_since(before):
            raise RuntimeError(f"the run before all others leaves something: {changed}")
        return cls(arena, dice, before, truth)

    def play(self, row: Row, phase: Phase) -> Round:
        """One round."""
        began = time.monotonic()
        host = self.dice.choice(sorted(self.arena.hosts))
        after_s = self.dice.uniform(phase.from_s, phase.to_s)
        troubles: list[str] = []
        with ExitStack() as stack:
            stack.enter_context(_fault(self.arena, phase.fault))
            idle = Target(self.arena, host, None)  # type: ignore[arg-type]  # no run yet
            if row.frame is not None:
                stack.enter_context(row.frame(idle))
            if row.name == "disk-full":
                stack.enter_context(row.strike(idle))
            framed = self.arena.fingerprint()
            run = self.arena.start()
            troubles += self._strike(row, phase, run, host, after_s)
            troubles += self._look(row, phase, run)
            if row.heals and not troubles:
                changed = self.arena.changes_since(framed)
                troubles += [f"not put back by the run itself: {one}" for one in changed]
            code, said = self.arena.cleanup(*(["--wait=130"] if row.waits else []))
            if code != 0 or _TRACEBACK.search(said):
                troubles.append(f"cleanup ended with {code}: {said[-1500:]}")
        return self.end(row.name, phase.name, after_s, began, troubles, host, run.text)

    def end(
        self,
        row: str,
        phase: str,
        after_s: float,
        began: float,
        troubles: list[str],
        host: str = "",
        text: str = "",
    ) -> Round:
        """After all has ended and was cleaned up: is everything as it was, does the next run pass?"""
        troubles += [f"not as it was: {one}" for one in self.arena.changes_since(self.before)]
        if not troubles:
            troubles += self._next()
        took_s = round(time.monotonic() - began, 1)
        said = text if troubles else ""
        return Round(row, phase, host, round(after_s, 3), took_s, tuple(troubles), said)

    def _strike(self, row: Row, phase: Phase, run: Started, host: str, after_s: float) -> list[str]:
        if phase is not ANY and not run.comes_to(phase.words, START_S):
            run.process.kill()
            return [f"the run did not come to {phase.words!r}:\n{run.text[-3000:]}"]
        with contextlib.suppress(TimeoutError):
            run.ends(after_s)
        if row.name == "disk-full":
            ended = run.ends(row.deadline_s)
        else:
            with row.strike(Target(self.arena, host, run)):
                ended = run.ends(row.deadline_s if row.hold_s is None else row.hold_s)
            if row.hold_s is not None:
                ended = ended or run.ends(row.deadline_s)
        if not ended:
            run.process.kill()
            run.ends(5)
            return [f"it hung: no end {row.deadline_s:g} s after it was struck\n{run.text[-3000:]}"]
        return []

    def _look(self, row: Row, phase: Phase, run: Started) -> list[str]:
        troubles = []
        code = run.process.returncode
        if not (row.kills and code == -9) and code not in _CODES:  # noqa: PLR2004  SIGKILL
            troubles.append(f"it ended with {code}")
        troubles += traceback_in(run.text)
        troubles += self.untrue(run, phase.fault, row.true)
        truth, found_verdicts = self.truth[phase.fault], verdicts(run)
        if not row.kills:
            if set(found_verdicts) != set(truth):
                troubles.append(f"{len(found_verdicts)} cells of {len(truth)} are in run.json")
            lost = [c for c in run.record.get("cells", ()) if c["verdict"] == "INCONCLUSIVE"]
            wordless = [c["id"] for c in lost if not c["reason"]]
            troubles += [f"no reason is given for {one}" for one in wordless[:3]]
            if lost and code == 0:
                troubles.append(f"{len(lost)} cells did not run, and it ended with 0")
        return troubles

    def untrue(self, run: Started, fault: str, true: str = "") -> list[str]:
        """Verdicts that are not what a whole run with this fault of the lab says, nor INCONCLUSIVE."""
        truth, troubles = self.truth[fault], []
        for cell in run.record.get("cells", ()):
            name, verdict = cell["id"], cell["verdict"]
            if verdict == "FAIL" and true and re.search(true, cell["reason"]):
                continue
            if verdict not in (truth[name], "INCONCLUSIVE", "", None):
                troubles.append(f"untrue: {name} is {verdict}, not {truth[name]}: {cell['reason']}")
        return troubles

    def _next(self) -> list[str]:
        run = self.arena.start("-q", *NEXT)
        if not run.ends(START_S):
            run.process.kill()
            return [f"the next run hung:\n{run.text[-2000:]}"]
        if run.process.returncode != 0:
            return [f"the next run ended with {run.process.returncode}:\n{run.text[-3000:]}"]
        return []


def traceback_in(text: str) -> list[str]:
    """What of it no user should ever see."""
    found = _TRACEBACK.search(text)
    if not found:
        return []
    place = max(0, found.start() - 500)
    return [f"a traceback: {text[place : place + 3000]}"]


def verdicts(run: Started) -> dict[str, str]:
    """Verdict by cell id, of a finished run's record."""
    return {cell["id"]: cell["verdict"] for cell in run.record.get("cells", ())}


@contextlib.contextmanager
def _fault(arena: Arena, name: str) -> Iterator[None]:
    if not name:
        yield
        return
    with faults.broken(arena.lab, name):
        yield
