"""``./toxw run -e chaos``: so many rounds of everything that can go wrong, and what came of them."""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

from chaos.arena import ROOT, arena
from chaos.others import OTHERS
from chaos.page import page
from chaos.rounds import Round, Rounds
from chaos.rows import ROWS


def main(argv: list[str]) -> int:
    """Play, print each round, write the figures. Returns 1 where something was not survived."""
    parser = argparse.ArgumentParser(prog="chaos", description=(__doc__ or "").split(": ", 1)[1])
    names = [*(row.name for row in ROWS), *(other.name for other in OTHERS)]
    add = parser.add_argument
    add("--rounds", type=int, help="rounds of each row and phase; default: each row's own number")
    add("--seed", type=int, default=1, help="the same seed, the same moments; default 1")
    add("--only", action="append", choices=names, help="this row; may be given again")
    add("--phase", action="append", help="this phase; may be given again")
    add("--minutes", type=float, default=60, help="begin no round after so long; default 60")
    add("--out", type=Path, default=ROOT / "runs" / "chaos.json", help="where the rounds go")
    add("--resume", action="store_true", help="add to the rounds that --out holds")
    add("--afresh", action="store_true", help="but count the rows that are played now anew")
    add("--page", type=Path, help="write the figures there, as a page: docs/reliability.md")
    asked = parser.parse_args(argv)
    began = time.monotonic()
    folder = Path(f"/tmp/l2c-{os.getpid()}")  # noqa: S108  made private by the arena
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    for number in (signal.SIGINT, signal.SIGTERM):  # in the background the former is ignored
        signal.signal(number, signal.default_int_handler)
    played = _held(asked) if asked.resume and asked.out.exists() else []
    try:
        for one in _play(asked, folder, began + 60 * asked.minutes):
            played.append(one)
            _tell(one)
            asked.out.write_text(json.dumps([asdict(p) for p in played], indent=1) + "\n")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    survived = sum(one.survived for one in played)
    print(
        f"{len(played)} rounds, {survived} survived, {time.monotonic() - began:.0f} s; {asked.out}"
    )
    if asked.page:
        asked.page.write_text(page(played))
    return 0 if survived == len(played) else 1


def _held(asked: argparse.Namespace) -> list[Round]:
    """The rounds of another time."""
    found = json.loads(asked.out.read_text())
    rounds = [Round(**{**one, "troubles": tuple(one["troubles"])}) for one in found]
    return [one for one in rounds if not asked.afresh or one.row not in (asked.only or ())]


def _play(asked: argparse.Namespace, folder: Path, until: float) -> Iterator[Round]:
    """Round after round."""
    rows = [row for row in ROWS if not asked.only or row.name in asked.only]
    others = [other for other in OTHERS if not asked.only or other.name in asked.only]
    with arena(folder) as made:
        faults = {phase.fault for row in rows for phase in row.phases}
        rounds = Rounds.on(made, random.Random(asked.seed), faults)  # noqa: S311  no secret
        plays: list[tuple[int, Callable[[], Round]]] = [
            (row.rounds, partial(rounds.play, row, phase))
            for row in rows
            for phase in row.phases
            if not asked.phase or phase.name in asked.phase
        ]
        plays += [(other.rounds, partial(other.play, rounds)) for other in others]
        for number, play in plays:
            for _ in range(asked.rounds or number):
                if time.monotonic() > until:
                    return
                yield play()


def _tell(one: Round) -> None:
    mark = "survived" if one.survived else "NOT SURVIVED"
    when = f"{one.row:<16} {one.phase:<12} {one.host or '-'} +{one.after_s:.2f} s"
    print(f"{when}: {mark} ({one.took_s} s)", flush=True)
    for trouble in one.troubles:
        print("    " + trouble.replace("\n", "\n    "), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
