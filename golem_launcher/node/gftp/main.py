"""The ``gftp`` program, for yapapi and for moving single files by hand."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import resource
import signal
import sys
from typing import TYPE_CHECKING

from golem_launcher.errors import LauncherError
from golem_launcher.node.gftp.server import VERSION, GftpServer
from golem_launcher.node.gftp.session import GftpSession
from golem_launcher.units import data_size

if TYPE_CHECKING:
    from collections.abc import Sequence

_EPILOG = """The node is found by GSB_URL (unix:/path or tcp://host:port); without it, by YAGNA_API_URL and
YAGNA_APPKEY, which can also name a node on another machine, for everything but download and upload."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; its exit code (0 done, 1 failed with a reason on stderr, 2 bad usage)."""
    options = _parser().parse_args(arguments)
    _allow_many_files()
    try:
        return asyncio.run(_run(options))
    except LauncherError as error:
        print(f"gftp: {error}", file=sys.stderr)  # noqa: T201 - a program's output
    except OSError as error:
        print(f"gftp: {error.filename or 'file'}: {error.strerror}", file=sys.stderr)  # noqa: T201
    except KeyboardInterrupt:
        return 130
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gftp", description="Golem file transfer.", epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"gftp {VERSION}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    verbs.add_parser("server", help="answer JSON-RPC on standard input, as yapapi wants it")
    verbs.add_parser("version", help="print the version")
    publish = verbs.add_parser("publish", help="offer files for download until Ctrl-C, and print their addresses")
    publish.add_argument("files", nargs="+", metavar="FILE")
    receive = verbs.add_parser("receive", help="wait for an upload to a file until Ctrl-C, and print its address")
    receive.add_argument("file", metavar="FILE")
    download = verbs.add_parser("download", help="fetch a file")
    download.add_argument("url", metavar="URL")
    download.add_argument("file", metavar="FILE")
    upload = verbs.add_parser("upload", help="send a file")
    upload.add_argument("file", metavar="FILE")
    upload.add_argument("url", metavar="URL")
    return parser


async def _run(options: argparse.Namespace) -> int:
    session = GftpSession()
    work = asyncio.ensure_future(_do(options, session))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    try:
        await asyncio.wait([work])
        return 0 if work.cancelled() else work.result()
    finally:
        await session.aclose()


async def _do(options: argparse.Namespace, session: GftpSession) -> int:
    if options.verb == "server":
        await GftpServer(session).run()
    elif options.verb == "version":
        _say(VERSION)
    elif options.verb == "publish":
        for file in options.files:
            _say(f"{await session.publish(file)}  {file}")
        await asyncio.Event().wait()
    elif options.verb == "receive":
        _say(await session.receive(options.file))
        await asyncio.Event().wait()
    elif options.verb == "download":
        await session.download(options.url, options.file, progress=_progress())
    else:
        await session.upload(options.url, options.file, progress=_progress())
    return 0


class _progress:  # noqa: N801 - used as a function
    """Shows how far a transfer is, on a terminal only."""

    def __init__(self) -> None:
        self._shown = -1

    def __call__(self, done: int, total: int) -> None:
        percent = 100 * done // total if total else 100
        if percent != self._shown and sys.stderr.isatty():
            self._shown = percent
            print(f"\r{percent:3d} % of {data_size(total)}", end="\n" if done == total else "", file=sys.stderr)  # noqa: T201


def _say(text: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        print(text, flush=True)  # noqa: T201


def _allow_many_files() -> None:
    """Each published file stays open: use what the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
