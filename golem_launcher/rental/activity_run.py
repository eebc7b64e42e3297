"""What runs in an activity: the commands that bring the workload to life there, as yapapi sends them."""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from yapapi.rest.activity import BatchTimeoutError, CommandExecutionError
from yapapi.script.capture import CaptureContext

from golem_launcher.agent import exit_report
from golem_launcher.errors import ImageBlamed, ProviderError
from golem_launcher.rental.activity_spec import Rented
from golem_launcher.rental.deploy_progress import DEPLOY
from golem_launcher.rental.volumes import has_disks, volumes
from golem_launcher.rental.yapapi_engine import agreement_of
from golem_launcher.untrusted_text import clean_line, clean_name, sentence
from golem_launcher.workload import shell_launch

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator

    from golem_launcher.rental.activity_batches import BatchQueue
    from golem_launcher.rental.activity_spec import ActivitySpec

_LOG = logging.getLogger(__name__)

WORDS_SECONDS = 8.0
"""How long a provider may take to tell its agent's last words."""
_TERMINATE_SECONDS = 8.0
_LONGEST_REASON = 300
_NOT_STARTED = re.compile(r"exited with code 9\b")
"""What Golem's VM says, and all of it, of a program that it could not start; and of one that was killed."""


async def run_activity(
    context: Any,
    node: Any,
    spec: ActivitySpec,
    *,
    deployed: asyncio.Future[Rented],
    batches: BatchQueue,
    deploy_seconds: float,
) -> AsyncGenerator[Any, Any]:
    """The batches of one activity, as yapapi's work generators are: start the workload, stay, terminate.

    ``deployed`` becomes the provider, or a ``ProviderError``, once the workload runs (all of it is one batch, so one
    exchange with the provider); the activity then lives, and runs batches, until these say to leave.
    """
    script = context.new_script(timeout=timedelta(seconds=deploy_seconds))
    properties = (await agreement_of(context).get_details()).provider_view.properties
    script.deploy(volumes=volumes(spec, properties), net=[_network(node)], progress=DEPLOY)
    script.start()
    for path, content in spec.shipment.files:
        script.upload_bytes(content, path)
    output = CaptureContext.build(mode="all")
    script.run(*spec.shipment.argv, stdout=output, stderr=output)
    try:
        yield script
    except Exception as error:
        if not deployed.done():
            deployed.set_exception(_failure(error, spec))
        raise
    if not deployed.done():
        deployed.set_result(
            Rented(
                provider_id=context.provider_id,
                provider_name=clean_name(context.provider_name or ""),
                agreement_id=agreement_of(context).id,
                activity_id=context.id,
                ip=node.ip,
                network_id=node.network.network_id,
                own_disk=has_disks(properties),
            )
        )
    try:
        while (batch := await batches.next()) is not None:
            script = context.new_script(timeout=timedelta(seconds=batch.seconds))
            batch.commands(script)
            try:
                done = await (yield script)
            except Exception as error:  # noqa: BLE001 - yapapi throws what went wrong; the activity goes on
                _LOG.info("a batch failed: %s", failure_text(error))
                batch.fail(failure_text(error))
            else:
                batch.succeed(done)
    finally:
        batches.drop()
    last = context.new_script(timeout=timedelta(seconds=_TERMINATE_SECONDS))
    last.terminate()
    yield last


def _network(node: Any) -> dict[str, Any]:
    """The private network as the provider's end is told of it; yapapi leaves the gateway out."""
    (network,) = node.get_deploy_args()["net"]
    return {**network, "gateway": node.network.gateway}


def _failure(error: Exception, spec: ActivitySpec) -> ProviderError:
    """What went wrong, and whether the provider blames the image, which is heard only where that is not known to do."""
    text = failure_text(error)
    if (
        not spec.image_is_known
        and isinstance(error, CommandExecutionError)
        and error.command.split()[0].lower() == "run"
    ):
        said = str(error.stderr or "")
        told = exit_report.read(said)
        if told is not None and told.kind == exit_report.IMAGE:
            words = clean_line(told.what, longest=_LONGEST_REASON)
            return ImageBlamed(sentence(f"The image can't run {spec.workload}: {words}"), _remedy(spec))
        if _NOT_STARTED.search(text) and spec.shipment.argv[0] == shell_launch.SHELL:
            if told is not None and told.kind == exit_report.SHELL:
                return ProviderError(f"What starts {spec.workload} was killed there: its memory may be too small.")
            if not said:
                what = f"The image has no shell ({shell_launch.SHELL}), or one for another kind of processor."
                return ImageBlamed(what, _remedy(spec))
    return ProviderError(sentence(f"The provider failed: {text}"))


def _remedy(spec: ActivitySpec) -> str:
    needs = f", and {spec.needs}" if spec.needs else ""
    return f"Choose another image: it needs a shell (/bin/sh) and Python 3.9 or newer{needs}."


def failure_text(error: Exception) -> str:
    """Why a batch failed, in one short clean line: it may be a provider's words."""
    text = str(error).strip() or type(error).__name__
    if isinstance(error, CommandExecutionError):  # its text repeats all of the command's arguments first
        told = exit_report.read(error.stderr or "")
        known = told is not None and told.kind != exit_report.SHELL  # it knows better than the exit code
        reason = told.what if told is not None and known else error.message or error.stderr or "no reason given"
        text = f"{error.command.split()[0].lower()}: {reason}"
    elif isinstance(error, BatchTimeoutError):
        text = "it took too long"
    return clean_line(" ".join(text.split()), longest=_LONGEST_REASON)
