"""``./toxw run -e chaos``: so many rounds of everything that can go wrong, and what came of them."""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path

from chaos.arena import ROOT, arena
from chaos.rounds import Round, Rounds
from chaos.rows import ROWS


def main(argv: list[str]) -> int:
    """Play, print each round, write the figures. Returns 1 where something was not survived."""
    parser = argparse.ArgumentParser(prog="chaos", description=(__doc__ or "").split(": ", 1)[1])
    parser.add_argument(
        "--rounds", type=int, help="rounds of each row and phase; default: each row's own"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="the same seed, the same moments; default 1"
    )
    parser.add_argument(
        "--only", action="append", choices=[row.name for row in ROWS], help="only this row"
    )
    parser.add_argument("--phase", action="append", help="only this phase")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "chaos.json")
    asked = parser.parse_args(argv)
    folder = Path(f"/tmp/l2c-{os.getpid()}")  # noqa: S108  made private by the arena
    played: list[Round] = []
    rows = [row for row in ROWS if not asked.only or row.name in asked.only]
    began = time.monotonic()
    try:
        with arena(folder) as made:
            faults = {phase.fault for row in rows for phase in row.phases}
            rounds = Rounds.on(made, random.Random(asked.seed), faults)  # noqa: S311  no secret
            for row in rows:
                for phase in row.phases:
                    if asked.phase and phase.name not in asked.phase:
                        continue
                    for _ in range(asked.rounds or row.rounds):
                        one = rounds.play(row, phase)
                        played.append(one)
                        _tell(one)
                        asked.out.parent.mkdir(parents=True, exist_ok=True)
                        asked.out.write_text(
                            json.dumps([asdict(p) for p in played], indent=1) + "\n"
                        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    survived = sum(one.survived for one in played)
    print(
        f"{len(played)} tried, {survived} survived, {time.monotonic() - began:.0f} s; {asked.out}"
    )
    return 0 if survived == len(played) else 1


def _tell(one: Round) -> None:
    mark = "survived" if one.survived else "NOT SURVIVED"
    print(
        f"{one.row:<16} {one.phase:<12} {one.host} +{one.after_s:.2f} s: {mark} ({one.took_s} s)",
        flush=True,
    )
    for trouble in one.troubles:
        print("    " + trouble.replace("\n", "\n    "), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
