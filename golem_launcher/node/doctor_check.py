"""The result of one check of ``doctor``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """``WARN`` works for now or in part; ``FAIL`` must be mended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at; ``remedy`` is empty when it is well."""

    name: str
    verdict: Verdict
    message: str
    remedy: str = ""
