"""What a provider does about a requestor that neglects its debit notes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from golem_launcher.errors import NodeUnreachable
from golem_launcher.localnet.agreement import Agreement, Terms
from golem_launcher.localnet.misbehaviour import Misbehaviour
from tests.patience import slower

if TYPE_CHECKING:
    from golem_launcher.node.rest_client import NodeRest

TERMS = Terms(
    agreement_id="agreement", requestor_id="0x1", expires=None, note_interval=0.05, note_accept_timeout=0.3,
    payment_timeout=0.6, idle_timeout=60, coefficients=(0.1, 0.1, 0.0), multi_activity=True,
)  # fmt: skip


class ProviderNode:
    """A provider's node by which every debit note comes to the same ``status``, or reaches nobody."""

    def __init__(self, status: str) -> None:
        self.status = status
        self.notes = 0
        self.asked = 0
        self.reason: dict[str, Any] = {}
        self.enough = asyncio.Event()

    async def post(self, path: str, body: Any = None, **_: Any) -> dict[str, Any]:
        if path.endswith("/send") and self.status == "UNREACHABLE":
            raise NodeUnreachable("Nobody is there.")
        if path.endswith("/terminate"):
            self.reason = body
        self.notes += path.endswith("/debitNotes")
        return {"debitNoteId": f"note-{self.notes}", "invoiceId": "invoice"}

    async def get(self, _path: str) -> dict[str, Any]:
        self.asked += 1
        if self.asked >= 5:
            self.enough.set()
        return {"status": "ISSUED" if self.status == "UNREACHABLE" else self.status}


class Idle:
    def usage(self) -> list[float]:
        return [0.0, 0.0]

    async def aclose(self, *, silent: bool = False) -> None:
        del silent


async def create(_activity: str, _terms: Terms) -> Idle:
    return Idle()


def agreement_with(node: ProviderNode, *, is_paid: bool) -> Agreement:
    return Agreement(
        terms=TERMS, rest=cast("NodeRest", node), misbehaviour=Misbehaviour(), create=create, died=lambda: None,
        changed=lambda: None, is_paid=is_paid,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "code"),
    [
        pytest.param("RECEIVED", "DebitNotesDeadline", id="not accepted"),
        pytest.param("UNREACHABLE", "RequestorUnreachable", id="not even received"),
        pytest.param("ACCEPTED", "DebitNoteNotPaid", id="accepted and not paid"),
    ],
)
def test_a_provider_leaves_who_neglects_its_debit_notes_and_says_why(status: str, code: str) -> None:
    async def main() -> None:
        node = ProviderNode(status)
        agreement = agreement_with(node, is_paid=True)
        agreement.activity_created("activity")
        await asyncio.wait_for(agreement.run(), 20 * slower())
        assert node.reason["golem.provider.code"] == code

    asyncio.run(main())


@pytest.mark.parametrize(
    ("status", "is_paid"),
    [pytest.param("SETTLED", True, id="all is paid"), pytest.param("ACCEPTED", False, id="nothing can be paid")],
)
def test_it_stays_with_who_does_what_can_be_done(status: str, is_paid: bool) -> None:  # noqa: FBT001 - a parameter
    async def main() -> None:
        node = ProviderNode(status)
        agreement = agreement_with(node, is_paid=is_paid)
        agreement.activity_created("activity")
        running = asyncio.create_task(agreement.run())
        await asyncio.wait_for(node.enough.wait(), 20 * slower())
        assert not running.done()
        agreement.terminated()
        await asyncio.wait_for(running, 20 * slower())
        assert not node.reason

    asyncio.run(main())
