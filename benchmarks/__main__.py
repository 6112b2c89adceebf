"""``./toxw run -e bench``: how long each way takes to ask who reaches whom, side by side.

First the article's 17 pings typed one after another and a full mesh of 2 x 25 containers, by docker
exec, by fping and by ours (``benchmarks.mesh``); then ours alone on a thousand endpoints without
Docker (``benchmarks.scale``). Every method is run several times; medians are compared, and every
answer that is false is counted.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks import mesh, scale
from benchmarks.mesh import ROOT, Method
from fixtures.embedded import spec_of
from fixtures.lab import running_lab
from matrix.errors import WorldError

STATE = Path("/tmp/l2matrix-bench")  # noqa: S108  made private by the lab
SIX = ("by-hand", "exec-sequential", "exec-threads", "exec-prober", "fping", "agent")


def main(argv: list[str]) -> int:
    """Measure, print the tables, write them. Returns the exit code: 1 if ours gave a false answer."""
    parser = argparse.ArgumentParser(prog="bench", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--runs", type=int, default=5, help="runs of each method; default 5")
    parser.add_argument("--by-hand-runs", type=int, default=1, help="48 s each; default 1")
    parser.add_argument("--only", choices=("mesh", "scale"), help="only one of the two parts")
    parser.add_argument(
        "--one-segment-sources",
        type=int,
        default=20,
        metavar="N",
        help="of the 1,000 endpoints on one segment, how many ask all others; 1000 takes a quarter "
        "of an hour; default 20",
    )
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "bench.json")
    asked = parser.parse_args(argv)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    wrong = 0
    methods: list[Method] = []
    try:
        if asked.only != "scale":
            methods = _mesh(asked)
            _mesh_table(methods)
            wrong += sum(m.wrong for m in methods if m.method.startswith("agent"))
            six = [asdict(m) for m in methods if m.method in SIX]
            asked.out.write_text(json.dumps(six, indent=1) + "\n")
        if asked.only != "mesh":
            sizes = scale.measure(asked.runs, asked.one_segment_sources, STATE)
            scale.table(sizes)
            wrong += sum(s.wrong for s in sizes)
            more = [asdict(m) for m in methods if m.method not in SIX]
            more += [asdict(s) for s in sizes]
            asked.out.with_stem(f"{asked.out.stem}-scale").write_text(
                json.dumps(more, indent=1) + "\n"
            )
    except WorldError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"\n{asked.out}")
    return 1 if wrong else 0


def _mesh(asked: argparse.Namespace) -> list[Method]:
    with running_lab(spec_of(mesh.mesh_site()), state_dir=STATE) as lab:
        return [
            mesh.by_hand(lab.ssh_config, asked.by_hand_runs),
            *mesh.mesh(lab.ssh_config, asked.runs),
            mesh.whole_matrix(lab.state_dir, asked.runs),
        ]


def _mesh_table(methods: list[Method]) -> None:
    ours = next(m for m in methods if m.method == "agent")
    print(
        f"\n{'method':<20} {'pairs':>6} {'measured':>8} {'median s':>9} {'ours is':>9} {'wrong':>6}"
    )
    for m in methods:
        ratio = f"{m.median / ours.median:.1f} x" if m.pairs == ours.pairs else ""
        print(
            f"{m.method:<20} {m.pairs:>6} {m.measured_pairs:>8} {m.median:>9.3f} {ratio:>9} "
            f"{m.wrong:>6}"
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
