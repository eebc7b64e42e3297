"""Remembers providers in one small file of the user's: agreements, failures, excessive bills.

A provider that over-billed is not taken again until the user forgets it; one that failed comes for a day after all
that cost less than ten times as much. On the local network the same rules hold, so that they can be tried. Blocking, a
few milliseconds; never raises for a full disk or a damaged file: the memory is a help, no condition.
"""

from __future__ import annotations

import contextlib
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from golem_launcher import files, paths
from golem_launcher.market.benchmark import Benchmark
from golem_launcher.untrusted_text import clean_line, clean_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

_LOG = logging.getLogger(__name__)

FILE = "providers.json"
FAILED_FOR = timedelta(days=1)
"""How long a provider is avoided after it failed."""

_LOCK_SECONDS = 2.0
_MOST_PROVIDERS = 5000
_LONGEST_REASON = 200


class ProviderRecord(BaseModel):
    """What is remembered of one provider."""

    model_config = ConfigDict(frozen=True)

    name: str = ""
    """Cleaned."""
    agreements: int = 0
    failures: int = 0
    overbilled: int = 0
    last_failure: str = ""
    """Why, cleaned."""
    failed_at: datetime | None = None
    overbilling: str = ""
    """What it billed, cleaned."""
    seen_at: datetime | None = None
    benchmark: Benchmark | None = None
    """How fast its machine was when it was measured last."""

    def avoided(self) -> str:
        """Why this provider is no longer used, as a sentence; empty if it may be. Asked for each offer."""
        return (self.overbilling or "it billed too much") if self.overbilled else ""

    def failed_lately(self) -> str:
        """Why other providers are preferred, as a sentence; empty if this one has not failed recently."""
        if self.failed_at is None or datetime.now(UTC) - self.failed_at >= FAILED_FOR:
            return ""
        return self.last_failure or "it failed"

    @property
    def reputation(self) -> float:
        """Its share of agreements that went well, 0 to 1; one half if there were none yet."""
        return (self.agreements - min(self.failures, self.agreements) + 1) / (self.agreements + 2)


def read() -> dict[str, ProviderRecord]:
    """Read what is remembered of all providers, by provider id. Called when a session starts and to list offers."""
    value = None
    with contextlib.suppress(OSError):
        value = files.read_json(_path())
    found = {}
    for provider_id, record in (value if isinstance(value, dict) else {}).items():
        with contextlib.suppress(ValidationError):
            found[str(provider_id)] = ProviderRecord.model_validate(record)
    return found


def note_agreement(provider_id: str, name: str) -> None:
    """Remember that an agreement was signed with this provider. Called in the background by a session."""
    _change(provider_id, name, lambda record: {"agreements": record.agreements + 1})


def note_failure(provider_id: str, name: str, reason: str) -> None:
    """Remember that this provider failed: it was lost, never became ready or did not sign, for ``reason``."""
    said = clean_line(reason, longest=_LONGEST_REASON)
    _change(
        provider_id,
        name,
        lambda record: {
            "failures": record.failures + 1,
            "last_failure": said,
            "failed_at": datetime.now(UTC),
        },
    )


def note_overbilling(provider_id: str, name: str, reason: str) -> None:
    """Remember that this provider billed more than its price and usage allow: later sessions avoid it."""
    said = clean_line(reason, longest=_LONGEST_REASON)
    _change(provider_id, name, lambda record: {"overbilled": record.overbilled + 1, "overbilling": said})


def note_benchmark(provider_id: str, name: str, found: Benchmark) -> None:
    """Remember how fast this provider's machine is."""
    _change(provider_id, name, lambda _: {"benchmark": found})


def put_back(provider_ids: Iterable[str], before: Mapping[str, ProviderRecord]) -> None:
    """Remember of these providers what was remembered ``before``, and no more. Called by the demo, which kills one."""
    try:
        with _alone():
            records = {key: record for key, record in read().items() if key not in set(provider_ids)}
            _write(records | {key: before[key] for key in provider_ids if key in before})
    except (OSError, TimeoutError) as error:
        _LOG.warning("the demo's providers stay as it left them: %s", error)


def forget(provider_id: str | None = None) -> int:
    """Forget one provider, by id or else by name, or all. Returns how many. Called by ``providers --forget``."""
    with _alone():
        records = read()
        kept = {key: record for key, record in records.items() if not _is_meant(provider_id, key)}
        if provider_id is not None and len(kept) == len(records):  # only then: anybody may be named as another's id
            kept = {key: record for key, record in records.items() if not _is_meant(provider_id, record.name)}
        if len(kept) != len(records):
            _write(kept)
        return len(records) - len(kept)


def _is_meant(word: str | None, known: str) -> bool:
    return word is None or word.casefold() == known.casefold()


def _change(provider_id: str, name: str, change: Callable[[ProviderRecord], dict[str, object]]) -> None:
    try:
        with _alone():
            records = read()
            known = records.pop(provider_id, ProviderRecord())
            now = datetime.now(UTC)
            records[provider_id] = known.model_copy(update={"name": clean_name(name), "seen_at": now, **change(known)})
            _write(dict(list(records.items())[-_MOST_PROVIDERS:]))
    except (OSError, TimeoutError) as error:
        _LOG.warning("what happened with a provider is not remembered: %s", error)


def _write(records: dict[str, ProviderRecord]) -> None:
    files.write_json(_path(), {key: record.model_dump(mode="json") for key, record in records.items()})


def _alone() -> contextlib.AbstractContextManager[None]:
    return files.locked(paths.home() / f".{FILE}.lock", deadline=_LOCK_SECONDS)


def _path() -> Path:
    return paths.home() / FILE
