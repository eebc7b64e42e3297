"""``GolemSpawner``: JupyterHub starts its users' servers at providers of Golem by it.

A server is a session like any other, in a directory of its user's. Its supervisor is a process of its own on the hub's
computer, which goes on while the hub is started anew; in front of it is a gate, which the hub's proxy leads to.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import time
from typing import TYPE_CHECKING, Any

from jupyterhub import __version__ as hub_version
from jupyterhub.slugs import safe_slug
from jupyterhub.spawner import Spawner
from tornado import web
from traitlets import Dict, List, TraitError, Unicode, default, validate

from golem_launcher import files, paths
from golem_launcher.access.hub import hub_settings
from golem_launcher.access.hub.hub_settings import HubSettings
from golem_launcher.errors import BudgetError, LauncherError, RequestError
from golem_launcher.events import Stage
from golem_launcher.hub_spawner import quotas, users
from golem_launcher.hub_spawner.account import account
from golem_launcher.hub_spawner.choices import Choices, from_form
from golem_launcher.hub_spawner.form import form
from golem_launcher.hub_spawner.resume_last_session import resume_last_session
from golem_launcher.hub_spawner.user_store import of_user
from golem_launcher.networks import DEFAULT, token_of
from golem_launcher.session import client, timeouts
from golem_launcher.session.on_disk.directory import SessionDirectory
from golem_launcher.session.on_disk.liveness import alive
from golem_launcher.waiting import begun_in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection

    from golem_launcher.hub_spawner.users import HubUser
    from golem_launcher.request import LaunchRequest
    from golem_launcher.session_state import SessionState

_LOOK_SECONDS = 0.3
_LOCK_SECONDS = 60.0
_START_SECONDS = 1800
"""An image may have to be sent first."""
_SHARES = {
    Stage.CHECKING: 5,
    Stage.ALLOCATING: 15,
    Stage.NEGOTIATING: 25,
    Stage.DEPLOYING: 40,
    Stage.STARTING: 70,
    Stage.READY: 95,
}
"""How far a start is at each stage, in per cent."""
_STARTING = _SHARES.keys() - {Stage.READY}
_UNREADY = {stage for stage in Stage if stage is not Stage.READY and not stage.final}
_OURS = ("GOLEM_LAUNCHER_", "YAGNA_", "YA_NET_", "GSB_", "CENTRAL_NET_", "LC_")
_PLAIN = {
    "PATH", "HOME", "USER", "LANG", "LANGUAGE", "TZ", "TMPDIR", "SSL_CERT_FILE", "VIRTUAL_ENV", "PYTHONPATH",
    "LD_LIBRARY_PATH", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
}  # fmt: skip
_ANYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - it is asked for this


class StartError(web.HTTPError):
    """A server could not be started; the hub's pages and API say why in these words."""

    def __init__(self, said: str, status: int = 503) -> None:
        super().__init__(status, said.replace("%", "%%"))
        self.jupyterhub_message = said


class GolemSpawner(Spawner):
    """Starts each server as a session on Golem. ``c.JupyterHub.spawner_class = "golem"``."""

    network = Unicode(DEFAULT, help="The Golem network: local, hoodi, polygon, …").tag(config=True)
    settings = Dict(help="What holds for every server, by the fields of a request: {'disk_gib': 10}.").tag(config=True)
    profiles = Dict(help="What users choose from, by name: a title, a description, fields.").tag(config=True)
    fields = List(Unicode(), ["hours", "budget", "packages"], help="The fields that users fill in.").tag(config=True)
    limits = Dict(help="The most that users may fill in, by field: {'hours': 8}.").tag(config=True)
    connect_ip = Unicode(help="Where the hub's proxy reaches this computer, if it is another's.").tag(config=True)

    session = Unicode(allow_none=True, default_value=None)
    """The session that is this server, while there is one."""

    @default("ip")
    def _ip(self) -> str:
        return "127.0.0.1"

    @default("start_timeout")
    def _start_timeout(self) -> int:
        return _START_SECONDS

    @default("poll_interval")
    def _poll_interval(self) -> int:
        return 10

    @default("options_form")
    def _options_form(self) -> Callable[[GolemSpawner], Any]:
        return GolemSpawner._form

    @default("options_from_form")
    def _from_form(self) -> Callable[[dict[str, list[str]]], dict[str, Any]]:
        return self._options

    @default("apply_user_options")
    def _apply_options(self) -> Callable[[GolemSpawner, dict[str, Any]], None]:
        return lambda _, __: None  # they are read when the server is started

    @validate("settings", "profiles", "fields", "limits")
    def _makes_sense(self, proposal: Any) -> Any:
        try:
            Choices(**{proposal.trait.name: proposal.value})
        except LauncherError as error:
            raise TraitError(f"GolemSpawner.{proposal.trait.name}: {error}") from None
        return proposal.value

    @property
    def choices(self) -> Choices:
        """What this hub offers. Raises ``RequestError`` where its settings do not fit each other."""
        return Choices({"network": self.network, **self.settings}, self.profiles, tuple(self.fields), self.limits)

    def get_state(self) -> dict[str, Any]:
        """What the hub keeps of a server, for when it is started anew."""
        return {**super().get_state(), **({"session": self.session} if self.session else {})}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up a server that was started before the hub was."""
        super().load_state(state)
        self.session = state.get("session")

    def clear_state(self) -> None:
        """Forget a server that is over."""
        super().clear_state()
        self.session = None

    async def start(self) -> tuple[str, int]:
        """Start the server; where the hub's proxy reaches it. Raises ``StartError``."""
        try:
            request = self.choices.request(self._session_name(), self.user_options)
            directory = await self._begun(request)
            self.session = directory.name
            state = await self._until_ready(directory)
        except (RequestError, BudgetError) as error:
            raise StartError(str(error), 403) from None
        except LauncherError as error:
            raise StartError(str(error)) from error
        if state.gate_port is None:
            raise StartError("The session has no gate. See its supervisor.log.")
        return self._reached_at(), state.gate_port

    async def poll(self) -> int | None:
        """``None`` while the server runs, or is being started; else 0 if it ended well."""
        if not self.session and not await self._found():
            return 0
        directory = self._directory
        living, state = await self._there(_look, directory)
        if living:
            return None
        if state is None or not state.stage.final:  # its supervisor died: what it left costs money
            self.log.warning("The supervisor of %s died; closing down what it left.", directory.path)
            await self._close(force=True)
        return 0 if state is not None and state.stage is Stage.ENDED else 1

    async def get_url(self) -> str:
        """Where the server is. The hub asks as it begins: of one whose start goes on still, once that is over."""
        state: SessionState | None = None
        with contextlib.suppress(LauncherError):  # it failed: nobody answers there, and the hub sees that
            state = await self._after(_STARTING, self._directory)
        if state is None or state.gate_port is None:
            return str(self.server.url)
        host = self._reached_at()
        return f"http://{f'[{host}]' if ':' in host else host}:{state.gate_port}{self.server.base_url}"

    async def stop(self, now: bool = False) -> None:  # noqa: FBT001, FBT002 - the hub's signature
        """Save everything, then end the server. What can't be saved at once is tried for some minutes more.

        ``now``: without a last save.
        """
        if not self.session:
            return
        if not now:
            await self._there(client.ask_to_stop, self._directory, timeouts.SILENCE)
            end = time.monotonic() + timeouts.GRACE + timeouts.WAIT_FOR_END
            while time.monotonic() < end and (await self._there(_look, self._directory))[0]:  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_SECONDS)
        await self._close(force=now)

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """How far the start is: the stages and what is told of them, until it is ready or failed."""
        offset, before, share = 0, "", 0
        while True:
            directory = self._directory if self.session else None
            events, offset = await self._there(directory.events, offset) if directory else ([], offset)
            state = await self._there(directory.written_state) if directory else None
            share = max(share, _SHARES.get(state.stage, 0)) if state is not None else share
            for event in events:
                if event.line:
                    yield {"progress": share, "message": event.line}
            if state is not None and state.progress is not None and state.progress.words != before:
                before = state.progress.words
                yield {"progress": share, "message": before}
            if state is not None and (state.stage is Stage.READY or state.stage.final):
                return
            await asyncio.sleep(_LOOK_SECONDS)

    def _form(self) -> str:
        return form(self.choices, self.user_options)

    def _options(self, sent: dict[str, list[str]]) -> dict[str, Any]:
        options = from_form(self.choices, sent)
        self.choices.request("lab", options)  # what is wrong is told above the form
        return options

    async def _begun(self, request: LaunchRequest) -> SessionDirectory:
        """The session that is this server from now on; none is left where the hub gives the start up meanwhile."""
        user, at_hub, environment = self._user(), self._hub_settings(), self._environment()

        def begin() -> SessionDirectory:
            with paths.home_of(user.home):
                return _begin(user, request, at_hub, environment)

        def end(begun: SessionDirectory) -> None:
            with paths.home_of(user.home):
                client.stop(begun.name, force=True)

        return await begun_in_thread(begin, end)

    async def _found(self) -> bool:
        """Take up the server that the hub before this one had begun to start, when it was killed."""
        directory = SessionDirectory(self._user().home / "sessions" / self._session_name())
        told = await self._there(hub_settings.read, directory.path)
        if told is None:
            return False
        living, state = await self._there(_look, directory)
        if not living and state is not None and state.stage.final:
            return False  # it is the last one, and over
        self.session, self.api_token = directory.name, told.api_token
        self.log.warning("The start of %s goes on, which was begun before the hub was started anew.", directory.path)
        return True

    async def _until_ready(self, directory: SessionDirectory) -> SessionState:
        state = await self._after(_UNREADY, directory)
        if state.stage.final:
            raise StartError(state.reason)
        return state

    async def _after(self, stages: Collection[Stage], directory: SessionDirectory) -> SessionState:
        """The state of a session once it is in none of these. Raises ``SessionError`` where it died in one."""
        while True:
            state: SessionState = await self._there(client.followed, directory)
            if state.stage not in stages:
                return state
            await asyncio.sleep(_LOOK_SECONDS)

    async def _close(self, *, force: bool) -> None:
        try:
            await self._there(client.stop, self.session, force=force)
        except LauncherError as error:
            self.log.warning("%s: %s", self.session, error)

    async def _there(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call what blocks in a thread, with the user's directory for the launcher's."""
        home = self._user().home

        def call() -> Any:
            with paths.home_of(home):
                return function(*arguments, **named)

        return await asyncio.to_thread(call)

    def _user(self) -> HubUser:
        """Whose server it is. In the hub's own thread: its database is asked."""
        groups = tuple(group.name for group in self.user.groups)
        return users.established(safe_slug(self.user.name), self.user.name, groups)

    @property
    def _directory(self) -> SessionDirectory:
        return SessionDirectory(self._user().home / "sessions" / str(self.session))

    def _session_name(self) -> str:
        if not self.name:
            return str(safe_slug(self.user.name))
        return f"{safe_slug(self.user.name, max_length=18)}-{safe_slug(self.name, max_length=20)}"

    def _reached_at(self) -> str:
        return self.connect_ip or (socket.gethostname() if self.ip in _ANYWHERE else self.ip)

    def _hub_settings(self) -> HubSettings:
        told = self.get_env()
        return HubSettings(
            host=self.ip or "0.0.0.0",  # noqa: S104 - so it means in JupyterHub
            prefix=told["JUPYTERHUB_SERVICE_PREFIX"],
            user=self.user.name,
            api_url=told["JUPYTERHUB_API_URL"],
            api_token=told["JUPYTERHUB_API_TOKEN"],
            client_id=told["JUPYTERHUB_CLIENT_ID"],
            callback_url=told["JUPYTERHUB_OAUTH_CALLBACK_URL"],
            authorize_url=f"{told['JUPYTERHUB_HOST']}{self.hub.base_url}api/oauth2/authorize",
            access_scopes=tuple(json.loads(told["JUPYTERHUB_OAUTH_ACCESS_SCOPES"])),
            version=hub_version,
            own_host=bool(told["JUPYTERHUB_HOST"]),
            named_servers=bool(self.user.allow_named_servers),
            secure=str(told.get("JUPYTERHUB_PUBLIC_URL") or "").startswith("https://"),
        )

    def _environment(self) -> dict[str, str]:
        """The supervisor's: the hub's own secrets are not in it."""
        wanted = _PLAIN | {*self.env_keep}
        kept = {key: value for key, value in os.environ.items() if key in wanted or key.startswith(_OURS)}
        given = {key: value(self) if callable(value) else value for key, value in self.environment.items()}
        return {**kept, **{key: str(value) for key, value in given.items()}}


def _begin(user: HubUser, request: LaunchRequest, at_hub: HubSettings, environment: dict[str, str]) -> SessionDirectory:
    """Start the session, when the quotas allow it. Blocking. Raises ``LauncherError``."""
    with files.locked(user.home / "start.lock", deadline=_LOCK_SECONDS):
        directory = SessionDirectory(paths.sessions_directory() / request.name)
        if directory.path.exists() and alive(directory):  # the hub died while it was started
            client.stop(request.name)
        requested = resume_last_session(
            request.model_copy(update={"store": of_user(request.store, user.home.name)}), directory
        )
        request = requested.request
        token = token_of(request.network)
        quotas.check(quotas.read().of(user), account(user, token), request, token)
        return client.start(request, at_hub=at_hub, environment=environment, instead_of=requested.instead_of)


def _look(directory: SessionDirectory) -> tuple[bool, SessionState | None]:
    """Whether the session's supervisor lives, and what is written of it. Its end may come between the two."""
    living = alive(directory)
    return living, directory.written_state()
