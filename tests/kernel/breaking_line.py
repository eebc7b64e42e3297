"""Connections to a session that break when a test says so."""

from contextlib import asynccontextmanager


class BreakingLine:
    """What connections of a ``LabClient`` go through from now on."""

    def __init__(self, lab):
        connector = lab.http._connector
        self._dial, connector._dial = connector._dial, self._through
        self._open, self._cut = [], False

    async def _through(self):
        if self._cut:
            raise ConnectionRefusedError("the line is cut")
        stream = await self._dial()
        self._open.append(stream)
        return stream

    @asynccontextmanager
    async def cut(self):
        """Those that are there break, and none is made until the end of it."""
        self._cut = True
        for stream in self._open:
            stream.close()
        self._open.clear()
        yield
        self._cut = False
