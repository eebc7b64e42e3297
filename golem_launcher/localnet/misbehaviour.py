"""The ways in which a local provider can be told to misbehave, for tests of programs."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

EndCode = Literal["Shutdown", "DebitNotesDeadline", "DebitNoteNotPaid", "RequestorUnreachable", "NoActivity"]
CommandName = Literal["deploy", "start", "run", "transfer"]

NO_GPU = "none"

_Probability = Field(default=0.0, ge=0.0, le=1.0)
_Seconds = Field(default=0.0, ge=0.0)


class Misbehaviour(BaseModel):
    """What a provider does wrong; the default is an honest one. Times in seconds, probabilities from 0 to 1.

    The market and payment parts are applied by the provider, the others by its exe-unit, and the frames' by the
    link between the VPN end and the router.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    refuse_agreements: bool = False
    """Negotiates as usual, then rejects every agreement."""
    ignore_agreements: bool = False
    """Negotiates as usual, then neither approves nor rejects an agreement."""
    approve_late: float = _Seconds
    """Decides on each agreement that much later, whether its requestor still waits or not."""
    terminate_agreement_after: float | None = Field(default=None, ge=0.0)
    """Terminates each agreement that long after it approved it."""
    end_code: EndCode = "Shutdown"
    """What it gives as the reason then."""
    refuse_terms: bool = False
    """Rejects every proposal that answers its offer."""
    raise_price: float = Field(default=1.0, ge=0.0)
    """In the negotiation it asks this many times what its offer says."""
    raise_start: float = Field(default=0.0, ge=0.0)
    """In the negotiation it asks so many GLM more at the start than its offer says, and half of the rest."""
    notes_every: float | None = Field(default=None, gt=0.0)
    """Sends a debit note that often (seconds), whatever was agreed."""
    overbill: float = Field(default=1.0, ge=0.0)
    """Amounts of debit notes and invoices are price times usage times this factor."""
    overbill_invoice: float = Field(default=1.0, ge=0.0)
    """The invoice is the sum of the debit notes times this factor."""
    invoice_late: float = _Seconds
    """Sends its invoice that long after the end."""
    invoice_early: float | None = Field(default=None, ge=0.0)
    """Sends one that long after an activity was created, and goes on."""
    bill_again: bool = False
    """Sends its invoice twice, and a debit note about an hour more of everything after that."""
    die_after: float | None = Field(default=None, ge=0.0)
    """Vanishes that long after an activity was created: no more answers, usage, events or bills, all of its
    processes killed. It stays dead until the network starts again."""
    die_once: str = Field(default="", max_length=4096)
    """Likewise, once there is a file at this path, while an activity runs: a test then chooses the moment by what has
    happened, where a time would be too early on a busy machine."""
    slow_deploy: float = _Seconds
    """The deploy command takes that much longer."""
    never_ready: bool = False
    """The start command never ends, so the activity never becomes ready."""
    hang_in: CommandName | None = None
    """The first command of this name never ends."""
    fail_run: str = ""
    """Every run command fails, and this is what its program is claimed to have said on stderr."""
    hostile_name: bool = False
    """The offer's name has HTML, terminal escapes, bidirectional marks and is very long."""
    hostile_output: bool = False
    """Every run command's output has those too, and a line of a million bytes."""
    other_gpu: str = Field(default="", max_length=200)
    """Sessions find a GPU of this model, whatever its offer says; ``none``: they find that there is none."""
    drop_frames: float = _Probability
    """Share of VPN frames lost, each way."""
    duplicate_frames: float = _Probability
    """Share of VPN frames that arrive twice, each way."""
    delay_frames: float = _Seconds
    """Every VPN frame, and every call of a file transfer, takes that much longer, each way."""
    jitter_frames: float = _Seconds
    """VPN frames take at most that much longer, each another time: they overtake each other."""
    transfer_rate: float = Field(default=0.0, ge=0.0)
    """Bytes a second of its file transfers, all of them together; 0: as many as this machine bears."""
    seed: int = 0
    """Of the generator that chooses the frames: the same seed gives the same losses."""


HOSTILE_TEXT = (
    "<img src=x onerror=\"alert('provider')\"><script>alert(1)</script>"
    "\x1b[2J\x1b]0;owned\x07\x1b[31m\x9b31m\r\x08"
    "\u202egnp.exe\u202c\u2066\u200b\x00\ufeff\ud7ff&lt;&#x3c;"
)
"""Text that attacks who shows it: HTML, escapes of both widths, bidirectional and invisible marks, a NUL."""


def hostile_name() -> str:
    """A provider's name that no program should show as it is."""
    return HOSTILE_TEXT.replace("\x00", "") + "A" * 10_000


def hostile_output() -> bytes:
    """Output of a command that no program should show as it is: bad UTF-8 and a line of a million bytes among it."""
    return HOSTILE_TEXT.encode() + b"\xff\xfe\xc3(\n" + b"B" * 1_000_000 + b"\n"
