"""Asks ``nvidia-smi`` about the GPUs of the machine, and reads its report: that of drivers from 2012 to now."""

from __future__ import annotations

import functools
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from .whole_number import whole

if TYPE_CHECKING:
    from xml.etree import ElementTree as ET

_SECONDS = 5.0
_MOST_GPUS, _MOST_PROCESSES, _LONGEST = 16, 16, 80
_MIB, _GIB = 1 << 20, 1 << 30
_UNITS = {"KiB": 1 << 10, "MiB": _MIB, "MB": _MIB, "GiB": _GIB}
"""Old drivers write MB for MiB."""
_POWER = ("gpu_power_readings", "power_readings")
_DRAWN = ("power_draw", "instant_power_draw", "average_power_draw")
_LIMIT = ("current_power_limit", "enforced_power_limit", "power_limit")


def gpus() -> list[dict[str, Any]] | None:
    """The GPUs, one after the other; ``None`` where nobody can tell: no ``nvidia-smi``, or it says nothing in time.

    None where it finds none, or no driver. A figure that a GPU does not have is left out. Blocking: a tenth of a
    second, up to 5 s.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    try:
        done = subprocess.run([program, "-q", "-x"], capture_output=True, timeout=_SECONDS, check=False)
        return [] if done.returncode else read(done.stdout, _capabilities(program))
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def read(report: bytes, capabilities: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """What a report says, ``nvidia-smi -q -x``. Raises ``ValueError`` for what is none."""
    from xml.etree import ElementTree as ET  # noqa: PLC0415 - few machines have a GPU

    try:
        log = ET.fromstring(report)  # noqa: S314 - of the machine that this runs on
    except ET.ParseError as error:
        raise ValueError("no report") from error
    if log.tag != "nvidia_smi_log":
        raise ValueError("no report of nvidia-smi")
    found = log.findall("gpu")[:_MOST_GPUS]
    driver = _words(log, "driver_version")
    known = [*capabilities, *[""] * len(found)]
    return [_gpu(each, driver, known[number]) for number, each in enumerate(found)]


@functools.lru_cache(maxsize=1)
def _capabilities(program: str) -> tuple[str, ...]:
    """Their compute capabilities, which the report does not have; drivers before 510 don't tell them."""
    query = [program, "--query-gpu=compute_cap", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, timeout=_SECONDS, check=False)
    lines = done.stdout.decode(errors="replace").splitlines() if not done.returncode else []
    return tuple(line.strip()[:_LONGEST] for line in lines)


def _gpu(told: ET.Element, driver: str, capability: str) -> dict[str, Any]:
    memory = told.find("fb_memory_usage")
    power = next((found for name in _POWER if (found := told.find(name)) is not None), None)
    values = {
        "name": _words(told, "product_name"),
        "driver": driver,
        "compute_capability": capability,
        "memory_total_bytes": _bytes(memory, "total"),
        "memory_bytes": _bytes(memory, "used"),
        "percent": _amount(told.find("utilization"), ("gpu_util",), "%"),
        "celsius": _amount(told.find("temperature"), ("gpu_temp",), "C"),
        "watts": _amount(power, _DRAWN, "W"),
        "watts_most": _amount(power, _LIMIT, "W"),
        "processes": [_process(one) for one in told.findall("processes/process_info")[:_MOST_PROCESSES]],
    }
    return {name: value for name, value in values.items() if value is not None}


def _process(told: ET.Element) -> dict[str, Any]:
    values = {
        "pid": whole(_words(told, "pid")),
        "name": _words(told, "process_name"),
        "memory_bytes": _bytes(told, "used_memory"),
    }
    return {name: value for name, value in values.items() if value is not None}


def _words(told: ET.Element, name: str) -> str:
    return (told.findtext(name) or "").strip()[:_LONGEST]


def _bytes(told: ET.Element | None, name: str) -> int | None:
    """A size like ``23034 MiB``."""
    number, _, unit = ("" if told is None else _words(told, name)).partition(" ")
    count = whole(number)
    return count * _UNITS[unit] if count is not None and unit in _UNITS else None


def _amount(told: ET.Element | None, names: tuple[str, ...], unit: str) -> float | None:
    """The first of these figures that there is, like ``16.80 W``; ``N/A`` and the like are none."""
    if told is None:
        return None
    for name in names:
        number, _, written = _words(told, name).partition(" ")
        if written == unit and number.replace(".", "", 1).isdigit() and number.isascii():
            return float(number)
    return None
