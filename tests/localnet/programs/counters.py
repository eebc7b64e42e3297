"""A service on a provider with a usage counter of its own, and what it costs."""

import asyncio
import json
import sys
from dataclasses import dataclass
from decimal import Decimal

from yapapi import Golem
from yapapi.payload import Payload
from yapapi.props import com, inf
from yapapi.props.base import constraint
from yapapi.services import Service, ServiceState
from yapapi.strategy import LeastExpensiveLinearPayuMS

COUNTER = "golem.usage.custom.counter"
PRICES = {com.Counter.CPU.value: Decimal(1), com.Counter.TIME.value: Decimal(1), COUNTER: Decimal(1)}

seen = {}


@dataclass
class Counting(Payload):
    runtime: str = constraint(inf.INF_RUNTIME_NAME, default="test-counters")


class Sleeper(Service):
    @staticmethod
    async def get_payload():
        return Counting()

    async def run(self):
        script = self._ctx.new_script()
        script.run("sleep", "3500")  # milliseconds, in this runtime; usage is reported every 3 s
        yield script
        seen["usage"] = (await self._ctx.get_usage()).current_usage
        seen["cost"] = float(await self._ctx.get_cost())


async def main():
    async with Golem(budget=1, strategy=LeastExpensiveLinearPayuMS(max_price_for=PRICES)) as golem:
        cluster = await golem.run_service(Sleeper)
        while [instance.state for instance in cluster.instances] != [ServiceState.terminated]:  # noqa: ASYNC110 - yapapi has no other way
            await asyncio.sleep(0.1)


asyncio.run(main())
sys.stdout.write(json.dumps(seen))
