"""From Start to a Lab that answers, warm and cold, against plain ``jupyter lab`` on the same machine."""

from __future__ import annotations

import json
import time
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import bed
from benchmarks.row import Row
from golem_launcher.localnet import network as localnet

if TYPE_CHECKING:
    from pathlib import Path

_PAIRS = 5
_COLD = 3
_AT_BUTTON = 0.5
"""Seconds from when a pointer comes to a button to the click, or somewhat less."""


def rows(base: Path) -> list[Row]:
    warm, plain, agreed, on_page = _warm(base)
    first, cold = _cold(base)
    return [
        Row(
            "Start → Lab answers, node and network warm, more than plain `jupyter lab`",
            median(warm) - median(plain),
            "s",
            least=4.0,
            aim=1.5,
            detail=f"Start {_times(warm)}; plain {_times(plain)}",
        ),
        Row(
            "Start → agreement with a provider, node and network warm",
            median(agreed),
            "s",
            least=1.0,
            aim=0.7,
            detail=_times(agreed),
        ),
        Row(
            f"the same on the page, the pointer at Start for {_AT_BUTTON} s before the click",
            median(on_page),
            "s",
            aim=0.6,
            detail=f"{_times(on_page)}; what the supervisor needs loads meanwhile",
        ),
        Row(
            "cold `golem-launcher start --wait` from nothing running, more than a warm Start",
            median(cold) - median(warm),
            "s",
            least=4.0,
            aim=2.0,
            detail=f"cold {_times(cold)}; the first ever, in an empty home, {first:.1f} s",
        ),
    ]


def _warm(base: Path) -> tuple[list[float], list[float], list[float], list[float]]:
    """Seconds of Start to a Lab that answers, of plain JupyterLab, of Start to an agreement, of that on the page."""
    warm: list[float] = []
    plain: list[float] = []
    agreed: list[float] = []
    on_page: list[float] = []
    with bed.home(base / "warm"):
        localnet.up()
        for turn in range(_PAIRS + 1):  # by turns, so that a change of the machine's mood meets both; one to warm up
            with bed.session(f"warm-{turn}") as session:
                warm.append(session.seconds)
                agreed.append(session.agreed_seconds)
            with bed.session(f"page-{turn}", at_button=_AT_BUTTON) as session:
                on_page.append(session.agreed_seconds)
            with bed.plain_lab(base / "plain") as lab:
                plain.append(lab.seconds)
    return warm[1:], plain[1:], agreed[1:], on_page[1:]


def _cold(base: Path) -> tuple[float, list[float]]:
    """The first start of all, and the later ones, each from nothing running."""
    seconds = []
    with bed.home(base / "cold"):
        for turn in range(_COLD + 1):
            began = time.perf_counter()
            link = json.loads(bed.command("start", "--name", f"cold-{turn}", "--wait", "--json"))
            seconds.append(bed.answered(link["url"].partition("/lab")[0], link["token"], began))
            bed.command("down")
    return seconds[0], seconds[1:]


def _times(seconds: list[float]) -> str:
    return f"{median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f}, {len(seconds)} times)"
