"""Sessions that are extended: more time, more money, in all the places that know of them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest

from golem_launcher.errors import SessionError
from golem_launcher.events import Stage
from golem_launcher.session import client
from tests.session.conftest import command, wait_for

pytestmark = pytest.mark.slow


def test_extend_moves_deadline_and_budget_everywhere_and_usage_is_told(ready, node):
    directory = ready(budget=Decimal(2), hours=Decimal("0.15"))
    wait_for(directory, lambda state: state.head.usage is not None and state.head.usage.memory_bytes > 0, 30)
    before = directory.state()
    assert before.extendable_until > before.deadline + timedelta(hours=2)
    _, told, _ = command("extend", directory.name, "--hours", "+1.5", "--budget", "+0.25", "--json")
    after = directory.state()
    assert after.deadline == before.deadline + timedelta(hours=1.5)
    assert after.budget == Decimal("2.25")
    assert Decimal(told["budget"]) == after.budget
    (allocation,) = [each for each in node.ask("allocations") if each["allocationId"] == after.allocation_id]
    assert Decimal(allocation["totalAmount"]) == after.budget
    assert allocation["timeout"] > after.deadline.isoformat()
    wait_for(directory, lambda _: "the deadline is in" in directory.workload_log.read_text(), 20)
    seconds = float(directory.workload_log.read_text().partition("the deadline is in ")[2].split()[0])
    assert seconds > 1.5 * 3600

    for refused, why in [
        ({"hours": 24}, "has room until"),
        ({"hours": -1}, "not shortened"),
        ({"hours": 10_000}, "at most"),
        ({"budget": "lots"}, "is no number"),
        ({"budget": 10**9}, "at most"),
        ({"hours": "1e300"}, "too much"),
        ({"budget": "NaN"}, "is no number"),
        ({}, "by how much"),
    ]:
        with pytest.raises(SessionError, match=why):
            client.extend(directory.name, **refused)
    assert directory.state().deadline == after.deadline
    assert directory.state().budget == after.budget

    with ThreadPoolExecutor() as pool:  # two tabs
        list(pool.map(lambda _: client.extend(directory.name, hours="0.1", budget="0.25"), range(3)))
    assert directory.state().deadline == after.deadline + 3 * timedelta(hours=0.1)
    assert directory.state().budget == after.budget + Decimal("0.75")
    (allocation,) = [each for each in node.ask("allocations") if each["allocationId"] == after.allocation_id]
    assert Decimal(allocation["totalAmount"]) == directory.state().budget
    assert client.stop(directory.name).stage is Stage.ENDED
