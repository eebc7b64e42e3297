import shutil
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from golem_launcher.market.prices import CPU, DURATION, Price
from golem_launcher.rental.payment.bill_refusal import INVOICE, BillRefusal
from golem_launcher.rental.payment.journal import FILE, AgreementEntry, Journal

PRICE = Price(Decimal("0.5"), Decimal("0.001"), Decimal("0.002"), 2, (CPU, DURATION))


def test_what_is_written_is_read_back(tmp_path):
    journal = Journal.create(tmp_path)
    assert not journal.entries.owes
    timeout = datetime.now(UTC) + timedelta(hours=3, microseconds=123456)
    journal.update(allocation_timeout=timeout)
    journal.add_agreement(AgreementEntry(agreement_id="a1", provider_id="0x1", provider_name="p", price=PRICE))
    journal.update_agreement("a1", activity_id="act", started_at=datetime.now(UTC))
    again = Journal.read(tmp_path)
    assert again is not None
    assert again.entries == journal.entries
    assert again.entries.owes
    assert again.entries.allocation_timeout == timeout
    assert again.agreement("a1").price == PRICE
    again.update(closed=True)
    assert not Journal.read(tmp_path).entries.owes


def test_it_is_private_and_survives_nonsense(tmp_path):
    Journal.create(tmp_path)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    (tmp_path / FILE).write_bytes(b"{")
    assert Journal.read(tmp_path) is None
    assert Journal.read(tmp_path / "nowhere") is None


def test_usage_is_remembered_without_writing(tmp_path):
    journal = Journal.create(tmp_path)
    journal.add_agreement(AgreementEntry(agreement_id="a1", provider_id="0x1", provider_name="p", price=PRICE))
    before = (tmp_path / FILE).read_bytes()
    journal.remember_usage("a1", (1.0, 2.0))
    assert journal.agreement("a1").last_usage == (1.0, 2.0)
    assert (tmp_path / FILE).read_bytes() == before


def test_nothing_is_acceptable_from_an_agreement_that_never_came_to_work():
    entry = AgreementEntry(agreement_id="a1", provider_id="0x1", provider_name="p", price=PRICE)
    assert entry.acceptable() == 0
    begun = entry.model_copy(update={"started_at": datetime.now(UTC) - timedelta(seconds=100)})
    assert PRICE.at_most(100) < begun.acceptable() < 2 * PRICE.at_most(100)


def test_an_end_counts_though_the_disk_does_not_take_it_and_is_written_when_it_does(tmp_path):
    (tmp_path / "session").mkdir()
    journal = Journal.create(tmp_path / "session")
    began = datetime.now(UTC) - timedelta(seconds=1000)
    journal.add_agreement(
        AgreementEntry(agreement_id="a1", provider_id="0x1", provider_name="p", price=PRICE, started_at=began)
    )
    shutil.rmtree(tmp_path / "session")
    with pytest.raises(OSError, match="No such file"):
        journal.update_agreement("a1", activity_id="never asked for")
    journal.note("a1", ended_at=began + timedelta(seconds=10))
    refusal = BillRefusal(at=began, bill=INVOICE, amount=Decimal(9), why="It is too much.")
    journal.refuse("a1", refusal)
    assert journal.agreement("a1").refusals == (refusal,)
    most = journal.agreement("a1").acceptable()
    assert most < PRICE.at_most(200)
    (tmp_path / "session").mkdir()
    journal.update()
    assert Journal.read(tmp_path / "session").agreement("a1").acceptable() == most
