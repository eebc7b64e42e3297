"""Frames by an Engine, with the calls that Golem's tutorial for requestors had at first."""

import asyncio
import json
import sys
from datetime import timedelta

from yapapi.runner import Engine, Task, vm
from yapapi.runner.ctx import WorkContext

IMAGE = "9a3b5d67b0b27746283cb5f287c13eab1beaa12d92a9f536b747c7ae"
seen = {"results": {}, "back": []}


async def back(value):
    seen["back"].append(value)


async def main():
    package = await vm.repo(image_hash=IMAGE, min_mem_gib=0.5, min_storage_gib=2.0)

    async def worker(ctx: WorkContext, tasks):
        ctx.send_file("./scene.txt", "/golem/resource/scene.blend")
        async for task in tasks:
            ctx.begin()
            ctx.send_json("/golem/work/params.json", {"frames": [task.data]})
            ctx.run("/golem/entrypoints/run-blender.sh")
            ctx.download_file(f"/golem/output/out{task.data:04d}.png", f"output_{task.data}.txt")
            ctx.download_json("/golem/work/params.json", back)
            yield ctx.commit()
            task.accept_task()
        ctx.log("no more frames")

    async with Engine(
        package=package, max_workers=10, budget=10.0, timeout=timedelta(minutes=6), subnet_tag="demo-1"
    ) as engine:
        async for progress in engine.map(worker, [Task(data=frame) for frame in range(0, 30, 10)]):
            seen["results"][progress.data] = f"output_{progress.data}.txt"


if __name__ == "__main__":
    loop = asyncio.new_event_loop()
    loop.run_until_complete(loop.create_task(main()))
    sys.stdout.write("\n" + json.dumps(seen))
