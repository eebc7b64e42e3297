"""A task on one provider, as somebody who knows only yapapi would write it: a file there, a command, a file back."""

import asyncio
import sys
from pathlib import Path

from yapapi import Golem, Task
from yapapi.payload import vm


async def worker(context, tasks):
    async for task in tasks:
        script = context.new_script()
        script.upload_file("given.txt", "/golem/input/given.txt")
        result = script.run("/bin/sh", "-c", "tr a-z A-Z < /golem/input/given.txt | tee /golem/output/made.txt")
        script.download_file("/golem/output/made.txt", "made.txt")
        yield script
        task.accept_result(result=(await result).stdout)


async def main():
    package = await vm.repo(image_tag="somebody/something:latest")
    async with Golem(budget=1) as golem:
        async for done in golem.execute_tasks(worker, [Task(data=None)], payload=package):
            sys.stdout.write(f"output: {done.result}\n")


asyncio.run(main())
sys.stdout.write(f"file: {Path('made.txt').read_text()}\n")
