"""``python -m benchmarks.kept_classes LIST [--python PYTHON]``: which classes' objects a notebook has back elsewhere.

``LIST`` is Kishu's: the cases of its coverage tests (github.com/illinoisdata/kishu), which make an object of each.
``PYTHON`` has the libraries, as many as are wanted: what it can't make is told apart. Each object is made and kept in a
process of its own, and brought back in another. What the list downloads is made first (``kept_classes_data.py``).
"""

from __future__ import annotations

import argparse
import json
import os
import runpy
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import kept_classes_data
from golem_launcher.workload.archive import agent_archive

_SECONDS = 300
_DATA = "data"
_NOT_MADE, _KEPT, _LOST, _WRONG = "not made", "kept", "lost", "wrong"
_CHILD = r"""
import hashlib, json, os, pickle, re, runpy, sys, warnings
warnings.simplefilter("ignore")
_what, _list, _number, _place = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
from golem_launcher_agent.kernel_state import restoring as _restoring, saving as _saving
from golem_launcher_agent.kernel_state.chunk_files import ChunkFiles as _ChunkFiles
from golem_launcher_agent.kernel_state.definitions import Definitions as _Definitions
from golem_launcher_agent.kernel_state.pickler import Limits as _Limits

def _seen(value):
    try:
        pickled = hashlib.sha256(pickle.dumps(value, 5)).hexdigest()
    except Exception:
        pickled = ""
    shown = re.sub("0x[0-9a-f]+", "", repr(value))[:5000]
    return {"type": f"{type(value).__module__}.{type(value).__qualname__}", "pickled": pickled, "shown": shown}

_case = runpy.run_path(_list)["LIB_COVERAGE_TEST_CASES"][_number]
_files, _told, _mine, _before = _ChunkFiles(os.path.join(_place, "state")), {}, globals(), set(globals())
try:
    if _what == "keep":
        _heard = _Definitions()
        for _cell in (*_case.import_statements, *_case.var_declare_statements):
            exec(compile(_cell, "<cell>", "exec", dont_inherit=True), _mine)
            _heard.hear(_cell, _mine, future=False)
        _told["made"] = True
        _own = {name: value for name, value in _mine.items() if name not in _before and not name.startswith("_")}
        _state = _saving.save(_files, _own, _heard.current(_own), limits=_Limits(_saving.MOST_BYTES, 60.0))
        _told |= {"lost": _state["lost"].get(_case.var_name, ""), **_seen(_own[_case.var_name])}
    else:
        _fate = _restoring.restore(_files, _mine, _place).fates[_case.var_name]
        _told |= {"lost": _fate.why} if _fate.what == "lost" else _seen(_mine[_case.var_name])
except BaseException as _error:
    _told["failed"] = f"{type(_error).__name__}: {_error}"[:200]
print("\n" + json.dumps(_told), flush=True)
os._exit(0)  # some libraries end badly
"""


@dataclass(frozen=True)
class _Outcome:
    name: str
    what: str
    why: str = ""


@dataclass(frozen=True)
class _Trial:
    """One Python with its libraries, and a list of classes."""

    python: str
    classes: Path
    place: Path

    def outcome(self, number: int, name: str) -> _Outcome:
        """What becomes of an object of the class of that number."""
        here = self.place / str(number)
        here.mkdir()
        kept = self._told("keep", number, here)
        if not kept.get("made"):
            return _Outcome(name, _NOT_MADE, kept.get("failed", ""))
        if why := kept.get("lost") or kept.get("failed"):
            return _Outcome(name, _LOST, why)
        back = self._told("bring back", number, here)
        if why := back.get("lost") or back.get("failed"):
            return _Outcome(name, _LOST, why)
        same = back["type"] == kept["type"] and (back["pickled"] == kept["pickled"] or back["shown"] == kept["shown"])
        return _Outcome(name, _KEPT if same else _WRONG)

    def _told(self, what: str, number: int, here: Path) -> dict[str, Any]:
        quiet = {"MPLBACKEND": "agg", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
        data = kept_classes_data.settings(self.place / _DATA)
        own = {"PYSPARK_PYTHON": self.python, "PYTHONPATH": str(self.place / "agent.pyz")}
        environment = {**os.environ, **quiet, **data, **own}
        argv = [self.python, "-c", _CHILD, what, str(self.classes), str(number), str(here)]
        try:
            done = subprocess.run(
                argv, capture_output=True, text=True, cwd=here, env=environment, timeout=_SECONDS, check=False
            )
            return dict(json.loads(done.stdout.splitlines()[-1]))
        except subprocess.TimeoutExpired:
            return {"failed": f"it took more than {_SECONDS} s"}
        except (IndexError, ValueError):
            return {"failed": done.stderr[-200:]}


def main() -> int:
    """Try all, and print what became of those that were not kept; the exit code is 1 when one came back wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("list", type=Path, help="Kishu's coverage_test_cases.py")
    parser.add_argument("--python", default=sys.executable, help="a Python with the libraries")
    asked = parser.parse_args()
    classes = asked.list.resolve()
    names = [case.class_name for case in runpy.run_path(str(classes))["LIB_COVERAGE_TEST_CASES"]]
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(os.cpu_count()) as threads:
        (Path(place) / "agent.pyz").write_bytes(agent_archive())
        # In a mode of its own: beside that program lie files that are called like modules of Python's.
        subprocess.run([asked.python, "-I", kept_classes_data.__file__, Path(place) / _DATA], check=True)
        trial = _Trial(asked.python, classes, Path(place))
        outcomes = list(threads.map(trial.outcome, range(len(names)), names))
    for one in outcomes:
        if one.what != _KEPT:
            sys.stdout.write(f"{one.what:<8}  {one.name}  {' '.join(one.why.split())}\n")
    count = Counter(one.what for one in outcomes)
    sys.stdout.write(f"{len(names)} objects: {', '.join(f'{number} {what}' for what, number in count.items())}\n")
    whole = set(names) - {one.name for one in outcomes if one.what != _KEPT}
    sys.stdout.write(f"{len(set(names))} classes by their names, {len(whole)} of them kept in all of their objects\n")
    return 1 if count[_WRONG] else 0


if __name__ == "__main__":
    sys.exit(main())
