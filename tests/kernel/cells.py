"""Cells run through a kernel's sockets, as any client does, and what comes back."""

import queue
import re
import time
from dataclasses import dataclass, field

from golem_launcher.kernel import messages
from golem_launcher.session.on_disk.directory import session_directory
from tests.patience import slower

_SECONDS = 180


@dataclass
class Done:
    """What a cell showed, and the reply."""

    reply: dict
    text: str = ""
    """Standard output and the plain text of displays, as they are at the end."""
    errors: str = ""
    data: list = field(default_factory=list)
    """Of displays, as they are at the end."""
    updates: int = 0
    kinds: list = field(default_factory=list)

    @property
    def failed(self):
        return self.reply["status"] == "error"


class CellFailed(AssertionError):  # noqa: N818
    pass


class Notebook:
    def __init__(self, manager, client, folder):
        self.manager = manager
        self.client = client
        self.folder = folder
        self.directory = None
        """That of its session."""
        self._replies = {}

    def run(self, code, *, check=True, seconds=_SECONDS):
        """Run a cell to its end; it must not fail unless that is looked at."""
        shown, streams, places, done = [], [], {}, Done({})

        def heard(message):
            kind, content = message["msg_type"], message["content"]
            done.kinds.append(kind)
            if kind == "stream":
                if content["name"] == "stdout":
                    _print(shown, streams, content["text"])
                else:
                    done.errors += content["text"]
            elif kind in {"display_data", "execute_result"}:
                done.data.append(content["data"])
                line = [content["data"].get("text/plain", "")]
                shown.append(line)
                place = content.get("transient", {}).get("display_id")
                if place:
                    places[place] = line, len(done.data) - 1
            elif kind == "update_display_data":
                done.updates += 1
                line, number = places[content["transient"]["display_id"]]
                line[0], done.data[number] = content["data"]["text/plain"], content["data"]
            elif kind == "error":
                done.errors += f"{content['ename']}: {content['evalue']}"

        try:
            reply = self.client.execute_interactive(
                code, timeout=seconds * slower(), output_hook=heard, stop_on_error=True
            )
        except TimeoutError:
            text = "\n".join(line[0] for line in shown)
            raise CellFailed(f"It did not end in time:\n{code}\n{text}\n{done.errors}") from None
        done.reply, done.text = reply["content"], "\n".join(line[0] for line in shown)
        if check and done.failed:
            raise CellFailed(f"{code}\n{done.text}\n{done.errors}")
        return done

    def connect(self, words="local 1"):
        """Connect it; the directory of its session."""
        self.directory = session_directory(re.search(r"session: +(\S+)", self.run(f"%connect {words}").text)[1])
        return self.directory

    def start(self, code, **options):
        """Begin a cell; its message's id."""
        return self.client.execute(code, **options)

    def reply_to(self, message_id, seconds=_SECONDS):
        """The content of the reply to a cell; replies to others that come before are kept for who asks for them."""
        end = time.monotonic() + seconds * slower()
        while message_id not in self._replies:
            message = _next(self.client.get_shell_msg, end, f"no reply, but to {list(self._replies)}")
            self._replies[message["parent_header"].get("msg_id")] = message["content"]
        return self._replies.pop(message_id)

    def until_printed(self, text, seconds=_SECONDS):
        """Wait until a cell printed this; all that was printed on either stream."""
        printed, end = "", time.monotonic() + seconds * slower()
        while text not in printed:
            message = _next(self.client.get_iopub_msg, end, f"{text!r} was not printed, but {printed!r}")
            if message["msg_type"] == "stream":
                printed += message["content"]["text"]
        return printed

    def restart(self):
        self.manager.restart_kernel()
        self.client.wait_for_ready(timeout=_SECONDS * slower())

    def close(self):
        self.client.stop_channels()
        if self.manager.has_kernel:
            self.manager.shutdown_kernel()
        self.manager.cleanup_resources()


def execute_request(code):
    """The message that asks a kernel over there to run a cell, where no client of Jupyter's is between."""
    content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
    return messages.make("execute_request", content, session="t")


def _print(shown, streams, text):
    """Add to what was shown last if that was printed, too: a kernel sends it in as many parts as it likes."""
    if not (streams and shown[-1] is streams[-1]):
        streams.append([""])
        shown.append(streams[-1])
    streams[-1][0] += text


def _next(get, end, otherwise):
    """The next message of a channel before that moment of the monotonic clock."""
    try:
        return get(timeout=max(0, end - time.monotonic()))
    except queue.Empty:
        raise AssertionError(otherwise) from None
