"""Frames by an Executor, with the calls that yapapi's README had when there was no Golem class."""

import asyncio
import json
import pathlib
import sys
from datetime import timedelta

from yapapi import Executor, NoPaymentAccountError, Task, WorkContext, __version__, windows_event_loop_fix
from yapapi.log import enable_default_logger, log_event_repr, log_summary
from yapapi.package import vm
from yapapi.rest.activity import BatchTimeoutError

IMAGE = "9a3b5d67b0b27746283cb5f287c13eab1beaa12d92a9f536b747c7ae"
scene = str(pathlib.Path("scene.txt").resolve())
seen = {"results": {}, "late": 0, "rejected": 0, "version": __version__}


async def main(subnet_tag, driver=None, network=None):
    package = await vm.repo(image_hash=IMAGE, min_mem_gib=0.5, min_storage_gib=2.0)

    async def worker(ctx: WorkContext, tasks):
        ctx.send_file(scene, "/golem/resource/scene.blend")
        async for task in tasks:
            frame = task.data
            ctx.send_json("/golem/work/params.json", {"resolution": (400, 300), "frames": [frame]})
            ctx.send_bytes("/golem/work/slow", b"yes" if frame == 20 and not seen["late"] else b"no")
            ctx.run("/golem/entrypoints/run-blender.sh")
            output = f"output_{frame}.txt"
            ctx.download_file(f"/golem/output/out{frame:04d}.png", output)
            try:
                yield ctx.commit(timeout=timedelta(seconds=20 if frame == 20 and not seen["late"] else 120))
            except BatchTimeoutError:
                seen["late"] += 1
                raise
            if frame == 10 and not seen["rejected"]:
                seen["rejected"] += 1
                task.reject_result(reason="not this one", retry=True)
            else:
                task.accept_result(result=output)
            seen["provider"], seen["id"] = ctx.provider_name, bool(ctx.id and ctx.provider_id)

    async with Executor(
        package=package,
        max_workers=3,
        budget=10.0,
        timeout=timedelta(minutes=6),
        subnet_tag=subnet_tag,
        driver=driver,
        network=network,
        event_consumer=log_summary(log_event_repr),
    ) as executor:
        seen["driver"], seen["network"] = executor.driver, executor.network
        async for task in executor.submit(worker, [Task(data=frame) for frame in range(0, 40, 10)]):
            seen["results"][task.data] = task.result
            assert task.running_time


if __name__ == "__main__":
    windows_event_loop_fix()
    enable_default_logger()
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(main(subnet_tag="community.4", driver="zksync", network="rinkeby"))
    except NoPaymentAccountError as error:
        sys.exit(f"no account for {error.required_driver} and {error.required_network}")
    sys.stdout.write(json.dumps(seen))
