"""The properties of the offers on the market, by yapapi's inner parts, as its example of a low-level API has them."""

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta

from yapapi import props
from yapapi.config import ApiConfig
from yapapi.props.builder import DemandBuilder
from yapapi.rest import Configuration, Market

WANTED = int(sys.argv[1])


async def main():
    demand = DemandBuilder()
    demand.add(props.NodeInfo(subnet_tag="public"))
    demand.add(props.Activity(expiration=datetime.now(UTC) + timedelta(minutes=10)))
    found = {}
    async with Configuration(ApiConfig()).market() as client:
        subscription = await Market(client).subscribe(demand.properties, demand.constraints)
        async with subscription:
            async for offer in subscription.events():
                found[offer.props["golem.node.id.name"]] = offer.props["golem.runtime.name"]
                if len(found) == WANTED:
                    break
    return found


sys.stdout.write(json.dumps(asyncio.run(main())))
