"""Tasks as somebody who knows only yapapi would write them: things sent there, a command, things fetched, an error.

Given ``stream``, the output comes as it happens. What was seen goes to the standard output as JSON.
"""

import asyncio
import json
import sys
from pathlib import Path

from yapapi import Golem, Task
from yapapi.events import CommandStdErr, CommandStdOut
from yapapi.payload import vm
from yapapi.rest.activity import CommandExecutionError

STREAM = sys.argv[1:] == ["stream"]
SCRIPT = """
cd /golem/input
tr a-z A-Z < given.txt | tee /golem/output/made.txt
cat bytes.bin >> /golem/output/made.txt
cp data.json /golem/output/back.json
echo to stderr >&2
"""

seen = {"events": ""}


async def worker(context, tasks):
    async for task in tasks:
        script = context.new_script()
        script.upload_file("given.txt", "/golem/input/given.txt")
        script.upload_bytes(b"\x00\xffbytes", "/golem/input/bytes.bin")
        script.upload_json({"a": [1, None, "\u20ac"]}, "/golem/input/data.json")
        result = script.run("/bin/sh", "-c", SCRIPT)
        script.download_file("/golem/output/made.txt", "made.txt")
        script.download_bytes("/golem/output/made.txt", fetched("bytes"))
        script.download_json("/golem/output/back.json", fetched("json"))
        yield script
        done = await result
        seen["stdout"], seen["stderr"] = done.stdout, done.stderr

        script = context.new_script()
        script.run("/bin/sh", "-c", "echo so far; echo why >&2; exit 7")
        try:
            yield script
        except CommandExecutionError as error:
            seen["error"], seen["error_stderr"] = error.message, error.stderr
        task.accept_result(result=True)


def fetched(name):
    async def take(value):
        seen[name] = value.hex() if isinstance(value, bytes) else value

    return take


def on_output(event):
    seen["events"] += event.output or ""


async def main():
    package = await vm.repo(image_tag="somebody/something:latest")
    async with Golem(budget=1, stream_output=STREAM) as golem:
        golem.add_event_consumer(on_output, [CommandStdOut, CommandStdErr])
        seen["tasks"] = len([task async for task in golem.execute_tasks(worker, [Task(data=None)], payload=package)])


asyncio.run(main())
seen["file"] = Path("made.txt").read_bytes().hex()
sys.stdout.write(json.dumps(seen))
