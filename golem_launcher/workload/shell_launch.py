"""Starts a Python program on a provider where only a shell can be expected.

Golem's VM calls ``execve`` on the path that a command names, with no variable set: it searches no PATH, and neither
the image's ENV nor the requestor's reaches a program. So a command is ``/bin/sh``, which sets what programs expect and
looks for Python itself.
"""

from __future__ import annotations

from golem_launcher.agent import exit_report
from golem_launcher.agent.exit_report import Report

SHELL = "/bin/sh"
SHELL_RUNS = Report(exit_report.SHELL, "the shell runs").line.rstrip()
"""The first line of such a command's errors."""
_NO_PYTHON = Report(exit_report.IMAGE, "There is no Python (python3) in it.").line.rstrip()

_SCRIPT = f"""\
echo '{SHELL_RUNS}' >&2
set -f
for place in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin /opt/conda/bin /opt/venv/bin /venv/bin; do
    case ":$PATH:" in *":$place:"*) ;; *) PATH="${{PATH:+$PATH:}}$place" ;; esac
done
: "${{HOME:=/root}}" "${{LANG:=C.UTF-8}}"
python=
IFS=:
for place in $PATH; do
    [ -x "$place/python3" ] || continue
    : "${{python:=$place/python3}}"
    if [ -x "$place/jupyter-lab" ]; then python=$place/python3; break; fi
done
unset IFS
set +f
if [ -z "$python" ]; then
    echo '{_NO_PYTHON}' >&2
    exit 3
fi
export PATH HOME LANG
exec "$python" "$@"
"""
"""The Python that has JupyterLab beside it goes before the first one: images keep theirs in odd places."""


def python(*arguments: str) -> tuple[str, ...]:
    """The command that runs ``python3 ARGUMENT…`` in any image."""
    return (SHELL, "-c", _SCRIPT, "python3", *arguments)
