"""Frames of a scene rendered by Blender, by the first yapapi's Executor, and with what its example asked for."""

import asyncio
import json
import pathlib
import sys
from datetime import timedelta

from yapapi import Executor, Task, WorkContext
from yapapi.package import vm

IMAGE = "9a3b5d67b0b27746283cb5f287c13eab1beaa12d92a9f536b747c7ae"
scene = str(pathlib.Path("cubes.blend").resolve())
seen = {}


async def main():
    package = await vm.repo(image_hash=IMAGE, min_mem_gib=0.5, min_storage_gib=2.0)

    async def worker(ctx: WorkContext, tasks):
        ctx.send_file(scene, "/golem/resource/scene.blend")
        async for task in tasks:
            frame = task.data
            crops = [{"outfilebasename": "out", "borders_x": [0.0, 1.0], "borders_y": [0.0, 1.0]}]
            ctx.send_json(
                "/golem/work/params.json",
                {
                    "scene_file": "/golem/resource/scene.blend",
                    "resolution": (80, 60),
                    "use_compositing": False,
                    "crops": crops,
                    "samples": 4,
                    "frames": [frame],
                    "output_format": "PNG",
                    "RESOURCES_DIR": "/golem/resources",
                    "WORK_DIR": "/golem/work",
                    "OUTPUT_DIR": "/golem/output",
                },
            )
            ctx.run("/golem/entrypoints/run-blender.sh")
            ctx.download_file(f"/golem/output/out{frame:04d}.png", f"output_{frame}.png")
            yield ctx.commit(timeout=timedelta(minutes=5))
            task.accept_result(result=f"output_{frame}.png")

    async with Executor(
        package=package, max_workers=3, budget=10.0, timeout=timedelta(minutes=20), subnet_tag="devnet-beta.2"
    ) as executor:
        async for task in executor.submit(worker, [Task(data=frame) for frame in range(0, 60, 10)]):
            seen[task.data] = task.result


if __name__ == "__main__":
    asyncio.new_event_loop().run_until_complete(main())
    sys.stdout.write(json.dumps(seen))
