"""Commands as somebody who knows only golem-core would run them. What was seen goes to the standard output as JSON."""

import asyncio
import json
import sys

from golem.managers import (
    DefaultAgreementManager,
    DefaultPaymentManager,
    DefaultProposalManager,
    NegotiatingPlugin,
    PaymentPlatformNegotiator,
    RefreshingDemandManager,
    SequentialWorkManager,
    SingleUseActivityManager,
)
from golem.node import GolemNode
from golem.payload import RepositoryVmPayload


async def work(context):
    batch = await context.create_batch()
    batch.run("echo hello")
    batch.run(["/bin/sh", "-c", "echo again"])
    return "".join(event.stdout for event in await batch())


async def main():
    golem = GolemNode()
    payments = DefaultPaymentManager(golem, budget=1.0)
    demands = RefreshingDemandManager(golem, payments.get_allocation, [RepositoryVmPayload("1" * 56)])
    negotiating = NegotiatingPlugin(proposal_negotiators=[PaymentPlatformNegotiator()])
    proposals = DefaultProposalManager(golem, demands.get_initial_proposal, plugins=[negotiating])
    agreements = DefaultAgreementManager(golem, proposals.get_draft_proposal)
    activities = SingleUseActivityManager(golem, agreements.get_agreement)
    async with golem, payments, demands, proposals, agreements:
        (done,) = await SequentialWorkManager(golem, activities.get_activity).do_work_list([work])
    if done.exception is not None:
        raise done.exception
    return {"stdout": done.result}


sys.stdout.write(json.dumps(asyncio.run(main())))
