"""A Python that waits for functions, and forks for each: ``serve(SOCKET)``, started by task_process.py.

A fork takes a few milliseconds where a Python of its own takes fifty. Nothing is shared between tasks: whoever waits
imports nothing for them and runs nothing of theirs.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import socket
import sys
import traceback
from typing import Any, NoReturn

from .task_execute import execute


def serve(descriptor: int) -> None:
    """Run one function after the other, as the lines that come by a socket say; returns when it ends.

    A line is JSON: ``place``, ``directory``, ``log`` and ``environment``. The answers are the id of the function's
    process and, once that has ended, its exit code.
    """
    asked = socket.socket(fileno=descriptor)
    _warm_up()
    gc.freeze()  # or the collector would copy, in each fork, the pages of what is there already
    with asked, asked.makefile("rb") as lines:
        for line in lines:
            about = json.loads(line)
            pid = os.fork()
            if pid == 0:
                asked.detach()
                os.close(descriptor)
                _set_up(about)
                _end(_run(about["place"]))
            asked.sendall(b"%d\n" % pid)
            _, status = os.waitpid(pid, 0)
            asked.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


def _warm_up() -> None:
    """Have done, once, what each fork would do anew: it takes three times as long as a short function."""
    importlib.invalidate_caches()  # the first time, it loads 49 modules since Python 3.13
    compile("", "", "exec")  # the first time, it makes the types of all that a syntax tree may have
    archive = os.path.dirname(os.path.dirname(__file__))
    for place in [each for each in sys.path_importer_cache if each.startswith(archive)]:
        del sys.path_importer_cache[place]  # else its list of files is read again whenever caches are invalidated


def _set_up(about: dict[str, Any]) -> None:
    """As if it had been started for this task: a session, a directory, an environment and a log of its own."""
    os.setsid()
    os.chdir(about["directory"])
    os.environ.update(about["environment"])
    log = os.open(about["log"], os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
    importlib.invalidate_caches()  # what the setup, or another task, installed meanwhile


def _run(place: str) -> int:
    """The exit code that Python would have."""
    try:
        execute(place)
    except SystemExit as leaving:
        if leaving.code is not None and not isinstance(leaving.code, int):
            sys.stderr.write(f"{leaving.code}\n")
            return 1
        return leaving.code or 0
    except BaseException:  # noqa: BLE001 - as at the end of any program
        traceback.print_exc()
        return 1
    return 0


def _end(code: int) -> NoReturn:
    """End as Python does, but for what takes longest, and as multiprocessing does it: modules are not taken apart."""
    if "threading" in sys.modules:
        sys.modules["threading"]._shutdown()  # noqa: SLF001 - waits for its threads
    atexit._run_exitfuncs()  # noqa: SLF001
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
