"""A server in a private network, reached through it, as somebody who knows only golem-core would have it."""

import asyncio
import json
import sys

import aiohttp
from golem.managers import (
    DefaultAgreementManager,
    DefaultPaymentManager,
    DefaultProposalManager,
    NegotiatingPlugin,
    PaymentPlatformNegotiator,
    RefreshingDemandManager,
    SequentialWorkManager,
    SingleNetworkManager,
    SingleUseActivityManager,
)
from golem.node import GolemNode
from golem.payload import RepositoryVmPayload

SERVE = "cd /golem/work && echo a note > note && exec python3 -m http.server 22 > /dev/null 2>&1 &"
REQUEST = b"GET /note HTTP/1.0\r\n\r\n"


async def main():
    golem = GolemNode()
    network = SingleNetworkManager(golem, "192.168.8.0/24")
    payments = DefaultPaymentManager(golem, budget=1.0)
    payload = RepositoryVmPayload("1" * 56, capabilities=["vpn"])
    demands = RefreshingDemandManager(golem, payments.get_allocation, [payload])
    negotiating = NegotiatingPlugin(proposal_negotiators=[PaymentPlatformNegotiator()])
    proposals = DefaultProposalManager(golem, demands.get_initial_proposal, plugins=[negotiating])
    agreements = DefaultAgreementManager(golem, proposals.get_draft_proposal)

    async def start(context):
        batch = await context.create_batch()
        batch.deploy({"net": [await network.get_deploy_args(await context.get_provider_id())]})
        batch.start()
        await batch()

    async def work(context):
        page = ""
        batch = await context.create_batch()
        batch.run(["/bin/sh", "-c", SERVE])
        await batch()
        address = await network.get_provider_uri(await context.get_provider_id(), "ws")  # golem-core means ssh's port
        key = {"Authorization": f"Bearer {golem._api_config.app_key}"}
        async with aiohttp.ClientSession(headers=key) as session:
            for _ in range(50):
                async with session.ws_connect(address) as way:
                    await way.send_bytes(REQUEST)
                    came = b"".join([message.data async for message in _pieces(way)])
                if came.endswith(b"a note\n"):
                    page = came.splitlines()[-1].decode()
                    break
                await asyncio.sleep(0.2)
        return page

    activities = SingleUseActivityManager(golem, agreements.get_agreement, on_activity_start=start)
    async with golem, network, payments, demands, proposals, agreements:
        (done,) = await SequentialWorkManager(golem, activities.get_activity).do_work_list([work])
    if done.exception is not None:
        raise done.exception
    return {"page": done.result}


async def _pieces(way):
    """What comes until the page is there, or nothing more does: yagna passes on no end of a stream."""
    while True:
        try:
            message = await way.receive(timeout=2)
        except TimeoutError:
            return
        if message.type is not aiohttp.WSMsgType.BINARY:
            return
        yield message


sys.stdout.write(json.dumps(asyncio.run(main())))
