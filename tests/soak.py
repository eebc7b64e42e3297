"""The long proof that no work is lost: kills and fail-overs by the hundred, unattended (``python -m tests.soak``).

Each batch is a pytest of its own with another seed, so that one that fails ends no other. What happened is printed as
it does, and counted at the end; a batch that failed is printed whole. The exit code is 0 where all was well.
"""

from __future__ import annotations

import argparse
import collections
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_KILL = re.compile(r"^kill \d+, (\w+) at ")


@dataclass(frozen=True)
class _Proof:
    """One of the tests, and by which variable it is told how often."""

    words: str
    path: str
    variable: str


_KILLS = _Proof("kills of the", "tests/session/test_state_kills.py", "GOLEM_LAUNCHER_STATE_KILLS")
_FAIL_OVERS = _Proof(
    "fail-overs, lost:", "tests/session/machines/newcomers/test_standby_kills.py", "GOLEM_LAUNCHER_STANDBY_KILLS"
)
_MOVES = _Proof(
    "on the way to another machine, or to sleep and back, of the",
    "tests/session/machines/newcomers/test_moving_kills.py",
    "GOLEM_LAUNCHER_MOVING_KILLS",
)


def main() -> int:
    """Run what is asked for; 1 where something failed."""
    asked = _arguments()
    began, counts, failed = time.monotonic(), collections.Counter[str](), list[str]()
    for proof, wanted in ((_KILLS, asked.kills), (_FAIL_OVERS, asked.fail_overs), (_MOVES, asked.moves)):
        for number, first in enumerate(range(0, wanted, asked.batch)):
            size, seed = min(asked.batch, wanted - first), asked.seed + number
            code, seen = _run(proof, size, seed)
            counts.update(f"{proof.words} {victim}" for victim in seen)
            if code != 0:
                failed.append(f"{proof.variable}={size} GOLEM_LAUNCHER_SEED={seed} pytest {proof.path}")
    minutes = (time.monotonic() - began) / 60
    told = ", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "nothing"
    sys.stdout.write(f"\n{told}: {sum(counts.values())} in {minutes:.0f} minutes\n")
    for command in failed:
        sys.stdout.write(f"FAILED: {command}\n")
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="of provider, supervisor, agent, Lab, kernel (100)")
    parser.add_argument("--fail-overs", type=int, default=50, help="losses of the head, the standby or both (50)")
    parser.add_argument(
        "--moves", type=int, default=10, help="deaths within a move, a borrowed GPU, a suspension each (10)"
    )
    parser.add_argument("--batch", type=int, default=12, help="so many in one pytest (12)")
    parser.add_argument("--seed", type=int, default=1, help="the first batch's; each has the next (1)")
    return parser.parse_args()


def _run(proof: _Proof, count: int, seed: int) -> tuple[int, list[str]]:
    """One batch: its exit code, and what died and was judged to be well."""
    environment = {**os.environ, proof.variable: str(count), "GOLEM_LAUNCHER_SEED": str(seed)}
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", proof.path]
    sys.stdout.write(f"\n{proof.path}: {count}, seed {seed}\n")
    seen, lines = [], []
    with subprocess.Popen(command, cwd=_ROOT, env=environment, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        for line in running.stdout:
            lines.append(line)
            if found := _KILL.match(line):
                seen.append(found[1])
                sys.stdout.write(line)
                sys.stdout.flush()
    if running.returncode != 0:
        sys.stdout.writelines(lines)
    return running.returncode, seen


if __name__ == "__main__":
    sys.exit(main())
