"""A session that nobody uses is suspended: its address stays, and its user's visit wakes it up, nobody else's."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from golem_launcher import files, launch, paths, processes
from golem_launcher.errors import RequestError, SessionDamaged, SessionError, SessionNameTaken, UsedUp
from golem_launcher.events import Stage
from golem_launcher.hub_spawner.resume_last_session import resume_last_session
from golem_launcher.rental.payment import bills
from golem_launcher.rental.payment.journal import AgreementEntry, Journal
from golem_launcher.request import parse_request
from golem_launcher.session import client
from golem_launcher.session.cleanup import housekeeping, trash
from golem_launcher.session.client import waking
from golem_launcher.session.on_disk import liveness, parked_address
from golem_launcher.session.on_disk.directory import create_session_directory, session_directories, session_directory
from golem_launcher.session.supervision.supervisor import Supervisor
from golem_launcher.session.suspension import caretaker_process, suspension, waking_page_service
from golem_launcher.session.suspension.waking_page_service import WakingPageService
from golem_launcher.session_state import MachineState, SessionState
from tests.access.squatter import squatter
from tests.patience import slower
from tests.session.conftest import HONEST, command, explain, wait_for
from tests.session.jupyter import Jupyter
from tests.session.suspension.test_caretaker import caretakers, free_address, wait

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.on_disk.directory import SessionDirectory

TYPED = {
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Site": "none",
    "Sec-Fetch-User": "?1",
}
"""What a browser says of an address that somebody typed."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A launcher's directory of its own; no caretaker is left there."""
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    yield paths.sessions_directory()
    caretaker_process.end()


def suspended(
    name: str = "mine", *, hours_left: float = 1, cost: str = "0.5", price: str | None = None, **fields: Any
) -> SessionDirectory:
    """A session that was suspended a moment ago; its machine's ``price`` is that of an hour, where it is known."""
    request = parse_request({"name": name, "budget": "2", "inputs": ("x",), "when_idle": "suspend", **fields})
    directory = create_session_directory(request)
    directory.write_token("secret" * 8)
    at = datetime.now(UTC)
    state = directory.state().model_copy(
        update={
            "stage": Stage.SUSPENDED,
            "cost": Decimal(cost),
            "machines": (MachineState(price_per_hour=None if price is None else Decimal(price)),),
            "deadline": at + timedelta(hours=hours_left),
            "created_at": at - timedelta(seconds=100),
            "started_at": at - timedelta(seconds=60),
            "address": free_address(),
            "reason": "Nothing happened <here>.",
        }
    )
    directory.write_state(state)
    parked_address.park(directory.path, suspension.parked_of(state, None))
    return directory


def test_it_goes_on_with_what_is_left_and_no_longer_unless_its_user_says_so(home: Path) -> None:
    del home
    empty = waking.woken(suspended("empty"), {})
    assert (empty.name, empty.resume, empty.inputs) == ("empty", None, ("x",))
    request = waking.woken(suspended(resume="work@3"), {})
    assert (request.name, request.resume, request.inputs) == ("mine", "work", ())
    assert request.budget == Decimal("1.5")
    assert Decimal("0.99") < request.hours <= 1
    late = suspended("late", hours_left=-3)
    with pytest.raises(UsedUp, match="time of 'late' is over") as over:
        waking.woken(late, {})
    assert over.value.field == "hours"
    assert waking.woken(late, {"hours": "2"}).hours == 2
    for directory in (suspended("poor", cost="2"), suspended("poorer", cost="2.1")):
        with pytest.raises(UsedUp, match="used up") as over:
            waking.woken(directory, {"hours": "1"})
        assert over.value.field == "budget"
        assert waking.woken(directory, {"hours": "1", "budget": "0.5"}).budget == Decimal("0.5")
    create_session_directory(parse_request({"name": "fresh"}))
    with pytest.raises(SessionError, match="not suspended"):
        waking.wake("fresh", {})


def test_what_is_parked_says_what_is_left_and_what_a_start_takes(home: Path) -> None:
    del home
    what = parked_address.of(suspended().path)
    assert what is not None
    assert what.until is None
    assert what.suspended is not None
    assert (what.suspended.left, what.suspended.usual_seconds) == ("1.5 of 2 tGLM", 40)
    assert what.suspended.has_time
    assert what.suspended.has_money
    assert what.suspended.lasts_hours is None  # nobody knows a price
    state = SessionState(name="x", network="local", stage=Stage.SUSPENDED)  # it could not be woken up
    again = suspension.parked_of(state, what)
    assert again.address == what.address
    assert again.suspended is not None
    assert again.suspended.usual_seconds == 40
    assert again.suspended.ends == what.suspended.ends


def test_who_takes_its_place_has_its_address_and_nobody_else(home: Path) -> None:
    del home
    directory = suspended()
    what = parked_address.of(directory.path)
    assert suspension.heritage(directory, parse_request({"name": "mine"})) is not None  # both are empty
    directory = suspended("second")
    inherited = suspension.heritage(directory, parse_request({"name": "second", "resume": "second"}))
    assert inherited is None  # nothing was saved there: it is another workspace's by chance
    directory = suspended("third", resume="work")
    assert suspension.heritage(directory, parse_request({"name": "third"})) is None
    inherited = suspension.heritage(directory, parse_request({"name": "third", "resume": "work@3"}))
    assert inherited is not None
    new = create_session_directory(parse_request({"name": "fourth", "resume": "work"}))
    inherited.give(new)
    assert new.token() == directory.token()
    assert parked_address.of(new.path) == inherited.parked != what
    for asked in ({"resume": "fourth@2"}, {"resume": "work", "name": "fourth"}):
        assert suspension.gone_on_with(asked) == new
    create_session_directory(parse_request({"name": "fifth"}))
    elsewhere: dict[str, str] = {"resume": "fourth", "store": "/elsewhere"}
    for asked in ({}, {"resume": "nobody"}, {"resume": "fifth"}, {"resume": "fourth", "name": "x"}, elsewhere):
        assert suspension.gone_on_with(asked) is None


def test_resumed_by_start_it_keeps_to_what_was_left_as_its_link_does(home: Path) -> None:
    del home
    suspended(resume="work", price_per_hour="0.3", cpus=2)
    request = waking.requested({"resume": "mine"}).request
    assert request.budget == Decimal("1.5")
    assert Decimal("0.99") < request.hours <= 1
    assert (request.name, request.resume, request.price_per_hour, request.cpus) == ("mine", "work", Decimal("0.3"), 2)
    assert (request.when_idle, request.inputs) == ("suspend", ())
    other = waking.requested({"resume": "mine@3", "cpus": "8", "budget": "3", "inputs": ("y",)}).request
    assert (other.resume, other.cpus, other.budget, other.inputs) == ("work@3", 8, 3, ("y",))
    assert other.price_per_hour == Decimal("0.3")
    with pytest.raises(RequestError, match="say a budget"):  # test coins are no money
        waking.requested({"resume": "mine", "network": "polygon"})
    suspended("over", hours_left=-1, resume="work", cost="2")
    with pytest.raises(SessionError, match="used up"):
        waking.requested({"resume": "over"})
    with pytest.raises(SessionError, match="time of 'over' is over"):
        waking.requested({"resume": "over", "budget": "1"})
    assert waking.requested({"resume": "over", "budget": "1", "hours": "2"}).request.hours == 2


def begun(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Of each session that somebody starts from now on its name, its budget, and instead of which it is; none runs."""
    asked: list[tuple[Any, ...]] = []

    def start(request: LaunchRequest, *, instead_of: datetime | None = None, **_: object) -> SessionDirectory:
        asked.append((request.name, request.budget, instead_of))
        raise SessionError("Enough.")

    monkeypatch.setattr(client, "start", start)
    return asked


def test_resumed_from_python_it_keeps_to_what_was_left(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del home
    created, started = suspended(resume="work").state().created_at, begun(monkeypatch)
    for fields in ({}, {"budget": 3}, {"name": "another"}):
        with pytest.raises(SessionError, match="Enough"):
            launch(resume="mine", **fields)
    assert started == [("mine", Decimal("1.5"), created), ("mine", 3, created), ("another", 1, None)]


def test_resumed_by_a_hub_it_keeps_to_what_was_left_and_then_has_a_budget_of_its_own(home: Path) -> None:
    del home
    directory = suspended("lab")
    created = directory.state().created_at

    def begins(name: str = "lab", **fields: str) -> tuple[Decimal, datetime | None]:
        requested = resume_last_session(parse_request({"name": name, **fields}), session_directory(name))
        return requested.request.budget, requested.instead_of

    assert begins(budget="5") == (Decimal("1.5"), created)
    assert begins(budget="1") == (1, created)
    assert begins(budget="5", network="hoodi") == (5, None)
    suspended("used", cost="2")
    assert begins("used", budget="5") == (5, None)


def test_what_is_left_is_reckoned_once_all_is_closed_and_by_no_rebuilt_state(home: Path) -> None:
    del home
    directory = suspended(resume="work")
    directory.write_state(directory.state().model_copy(update={"stage": Stage.STARTING}))  # killed while it woke up
    entry = {"agreement_id": "a1", "provider_id": "0x1", "provider_name": "attic"}
    Journal.create(directory.path).add_agreement(AgreementEntry(**entry, price=None, activity_id="b1"))
    bills.write(directory.path, [bills.AgreementBill(**entry, invoiced=Decimal("1.75"), invoice_state="ACCEPTED")])
    assert waking.woken(directory, {}).budget == Decimal("0.25")
    (directory.path / "state.json").write_text("{")
    with pytest.raises(SessionDamaged, match="not known what it would go on with"):
        waking.wake("mine", {})


def test_it_is_not_woken_up_before_it_is_known_what_it_cost(home: Path) -> None:
    del home
    directory = suspended()
    directory.write_state(directory.state().model_copy(update={"network": "a network that is away"}))
    Journal.create(directory.path).update(demanded=True)
    with pytest.raises(SessionError, match="not known what is left of its budget"):
        waking.wake("mine", {})
    assert suspension.is_suspended(directory)


def wakes_up(name: str) -> SessionDirectory:
    """The session that takes the place of a suspended one, as its supervisor finds it."""
    before = suspended(name)
    inherited = suspension.heritage(before, before.request())
    assert inherited is not None
    shutil.rmtree(before.path)
    directory = create_session_directory(parse_request({"name": name}))
    inherited.give(directory)
    return directory


def test_killed_while_it_woke_up_it_is_suspended_for_all_who_ask(home: Path) -> None:
    del home
    directory = wakes_up("mine")
    ends = waking.woken(directory, {}).hours
    assert directory.state().stage is Stage.SUSPENDED
    what = parked_address.of(directory.path)
    assert what is not None
    assert directory.state().address == what.address
    assert waking.woken(directory, {}).hours <= ends
    assert client.remove_past() == []
    assert client.stop("mine").stage is Stage.ENDED
    assert len(client.remove_past()) == 1


def test_a_signal_while_it_wakes_up_is_no_end_that_its_user_asked_for(home: Path) -> None:
    del home
    directory = wakes_up("mine")

    async def signalled_then_stopped() -> None:
        supervisor = Supervisor(directory, os.open(directory.lock, os.O_RDWR | os.O_CREAT))
        supervisor._on_signal()
        assert supervisor._is_suspended(Stage.ENDED)
        assert supervisor._keeps_address("Its computer was shut down.")
        what = parked_address.of(directory.path)
        assert what is not None
        assert supervisor._recorder.state.address == what.address, "it never answered, and is at that address"
        await supervisor._on_stop({})
        assert not supervisor._is_suspended(Stage.ENDED)
        (directory.path / "parked.json").unlink()
        (directory.path / "parked.json").mkdir()  # as a disk that takes nothing
        assert not supervisor._keeps_address("Nobody used it.")

    asyncio.run(signalled_then_stopped())


def test_what_fails_half_way_leaves_it_suspended(home: Path) -> None:
    directory = suspended(inputs=())
    before = (parked_address.of(directory.path), directory.token(), directory.state())
    with pytest.raises(ValueError, match="null byte"):  # as late as can be: no process is begun with such a variable
        client.start(waking.woken(directory, {}), environment={"LATE": "\0"})
    assert (parked_address.of(directory.path), directory.token(), directory.state()) == before
    assert suspension.is_suspended(directory)
    assert not list(home.glob(".ended/*"))


_WAKES_AND_IS_KILLED = """
import os
from golem_launcher import processes
from golem_launcher.session import client
from golem_launcher.session.cleanup import name_reuse
from golem_launcher.session.client import waking
from golem_launcher.session.suspension.suspension import Heritage
dies = lambda *_, **__: os.kill(os.getpid(), 9)
puts = name_reuse.trash.put
LAST
waking.wake("mine", {})
"""


@pytest.mark.parametrize(
    "last",
    [
        "Heritage.give = dies",
        "name_reuse.trash.put = dies",
        "name_reuse.trash.put = lambda *who: dies(puts(*who))",  # it has made room, and nobody has its place
        "processes.spawn_detached = dies",
    ],
)
def test_whenever_who_wakes_it_up_is_killed_it_can_be_woken_up(home: Path, last: str) -> None:
    directory = suspended(inputs=())
    before = parked_address.of(directory.path)
    program = _WAKES_AND_IS_KILLED.replace("LAST", last)
    died = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    housekeeping.close_dead()
    assert directory.state().stage is Stage.SUSPENDED
    again = parked_address.of(directory.path)
    assert before is not None
    assert again is not None
    assert again.address == before.address == directory.state().address
    assert waking.woken(directory, {}).budget == Decimal("1.5")
    assert [one.name for one in session_directories()] == ["mine"]
    assert not any(suspension.is_suspended(one) for one in trash.kept()), "two would go on with what is left"
    assert not (home / ".begun").exists()


def test_who_is_killed_once_a_session_wakes_up_leaves_no_second_one_that_is_suspended(home: Path) -> None:
    del home
    directory = suspended(inputs=())
    program = _WAKES_AND_IS_KILLED.replace(
        "LAST",
        "lives = processes.ProcessRecord.of(os.getppid())\n"
        "processes.spawn_detached = lambda *_, **__: lives\n"
        "name_reuse.suspension.give_up = dies\n",
    )
    died = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    (aside,) = trash.kept()
    assert suspension.is_suspended(aside)
    housekeeping.close_dead()
    assert aside.state().stage is Stage.ENDED
    assert not suspension.is_suspended(aside)
    assert liveness.alive(directory)


def test_who_takes_long_to_wake_up_is_not_killed_over_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del home
    monkeypatch.setattr(waking_page_service, "_WAKE_SECONDS", 0.0)
    before = psutil.Process().children()
    pages = WakingPageService()
    told = pages.wake(pages.begin(suspended(hours_left=-1).path, by_themselves=True), "")
    assert told == {"problem": "It takes long to begin, and goes on."}
    beginning = [one for one in psutil.Process().children() if one not in before]
    assert len(beginning) == 1
    psutil.wait_procs(beginning, timeout=60 * slower())


def test_stopped_it_is_over_and_nothing_clears_it_away_before(home: Path) -> None:
    directory = suspended()
    assert client.remove_past() == []
    assert client.stop("mine").stage is Stage.ENDED
    assert directory.state().address is None
    assert parked_address.of(directory.path) is None
    assert len(client.remove_past()) == 1
    suspended()
    client.remove("mine")
    assert not list(home.glob("*/parked.json"))


_ENDS_WHEN_ASKED = """
import socket, sys
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(sys.argv[1])
    listener.listen()
    connection, _ = listener.accept()
    connection.recv(1000)
    connection.sendall(b'{"ok": true}\\n')
"""


def runs(directory: SessionDirectory) -> None:
    """Have a process as the session's supervisor that ends as asked, and leaves its files as they are."""
    arguments = [sys.executable, "-c", _ENDS_WHEN_ASKED, str(directory.control_socket)]
    record = processes.spawn_detached(arguments, env=os.environ, log=directory.supervisor_log, cwd=directory.path)
    files.write_json(directory.path / liveness.SUPERVISOR_FILE, record.to_json())


def test_stopped_as_it_is_being_suspended_it_is_over(home: Path) -> None:
    del home
    directory = suspended()
    runs(directory)
    assert client.stop("mine", seconds=20).stage is Stage.ENDED
    assert parked_address.of(directory.path) is None


def test_stopped_as_somebody_wakes_it_up_it_does_not_run(home: Path) -> None:
    directory = suspended()
    with ThreadPoolExecutor() as threads:
        with files.locked(home / ".lock", deadline=1):  # as who wakes it up does
            stopping = threads.submit(client.stop, "mine", seconds=20)
            while not waits_for_a_lock():
                time.sleep(0.01)
            runs(directory)
        stopping.result()
    assert not liveness.alive(directory)
    assert parked_address.of(directory.path) is None


@pytest.mark.parametrize("cost", ["1.75", None])
def test_woken_up_twice_the_second_spends_nothing_that_the_first_did(home: Path, cost: str | None) -> None:
    directory = suspended(inputs=())
    with ThreadPoolExecutor() as threads:
        with files.locked(home / ".lock", deadline=1):  # as who wakes it up does
            second = threads.submit(waking.wake, "mine", {})
            while not waits_for_a_lock():
                time.sleep(0.01)
            trash.put(directory, trash.word_for("mine"))
            if cost is not None:  # else it was taken off the list
                suspended(inputs=(), cost=cost)
        with pytest.raises(SessionNameTaken, match="woken up or ended meanwhile"):
            second.result()
    assert not list(liveness.living())


def waits_for_a_lock() -> bool:
    """Whether a thread of this process does: its descriptor is open for a moment now and then, so it is no sign."""
    code = inspect.unwrap(files.locked).__code__
    stacks = map(traceback.walk_stack, sys._current_frames().values())
    return any(frame.f_code is code for stack in stacks for frame, _ in stack)


def test_of_one_that_has_ended_a_stop_leaves_what_its_address_says(home: Path) -> None:
    directory = suspended()
    directory.write_state(directory.state().model_copy(update={"stage": Stage.ENDED}))
    parked_address.park(directory.path, parked_address.of_ended(free_address(), "It is over."))
    client.stop("mine")
    assert [path for path, _ in parked_address.everywhere(home)] == [directory.path]


@pytest.mark.slow
def test_all_brought_down_nobody_is_left_who_could_wake_it_up_until_the_launcher_runs(home: Path) -> None:
    directory = suspended()
    address = str(directory.state().address)
    housekeeping.tidy()
    wait(address, answers=True)
    _, said, _ = command("down")
    assert "Suspended: mine. Nobody answers at their links now." in said
    assert caretakers(home) == []
    assert parked_address.of(directory.path) is not None
    wait(address, answers=False)
    over = threading.Event()
    over.set()
    housekeeping.keep_tidy(over)  # as what serves the page does
    wait(address, answers=True)


def test_its_link_is_given_while_somebody_of_ours_is_at_its_address(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del home
    monkeypatch.setenv("BROWSER", "true")
    directory = suspended()
    url = directory.url()
    assert client.describe(directory)["url"] is None
    assert command("open", "mine")[1].strip() == url  # as after a restart of the computer: nobody answered there
    assert client.describe(directory)["url"] == url


def test_that_another_program_has_its_address_is_said(home: Path) -> None:
    del home
    directory = suspended()
    what = parked_address.of(directory.path)
    assert what is not None
    with socket.create_server(what.place):
        housekeeping.tidy()
        end = time.monotonic() + 30 * slower()
        while not parked_address.is_squatted(directory.path) and time.monotonic() < end:
            time.sleep(0.02)
        told = client.describe(directory)
        assert told["url"] is None
        assert told["trouble"].startswith("Another program has its address")
        code, _, said = command("open", "mine", check=False)
        assert (code, "Another program has the address" in said) == (1, True)
    wait(what.address, answers=True)
    assert client.describe(directory)["trouble"] == ""


@pytest.mark.slow
def test_its_address_goes_from_one_of_ours_to_the_next_and_nobody_elses(home: Path) -> None:
    del home
    directory = suspended()
    what = parked_address.of(directory.path)
    assert what is not None
    housekeeping.tidy()
    wait(what.address, answers=True)

    async def wakes_up_and_is_suspended() -> None:
        supervisor = Supervisor(directory, os.open(directory.lock, os.O_RDWR | os.O_CREAT))
        endpoint, recorder = supervisor._run.session.endpoint, supervisor._recorder
        await endpoint.open()
        await endpoint.open_link()
        assert endpoint.address == what.address
        assert not parked_address.is_answered(directory.path)
        recorder.update(address=endpoint.address, stage=Stage.READY)
        with contextlib.ExitStack() as address:
            supervisor._reserve(address)
            await endpoint.aclose()
            assert supervisor._keeps_address("Nobody used it.")
            recorder.enter(Stage.SUSPENDED)
            supervisor._park(None)
            await supervisor._hand_over()
        recorder.close()

    with squatter(what.place) as took:
        asyncio.run(wakes_up_and_is_suspended())
        assert parked_address.is_answered(directory.path)
        assert not took()


def get(url: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    return answer_to(request)


def post(url: str, body: str = "") -> tuple[int, str]:
    return answer_to(urllib.request.Request(url, data=body.encode(), method="POST"))


def answer_to(request: urllib.request.Request) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(request, timeout=100 * slower()) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def service_path_in(page: str) -> str | None:
    """Where a page is told and heard; ``None`` in one that can wake nothing."""
    found = re.search(r'"servicePath": "([^"]+)"', page)
    return found[1] if found else None


def test_only_a_page_that_somebody_sees_can_wake_it(home: Path) -> None:
    del home
    directory = suspended()
    caretaker_process.begin(os.environ)
    state = directory.state()
    address, token = str(state.address), directory.token()
    wait(address, answers=True)
    link = f"{address}/lab?token={token}"

    for headers in ({}, {**TYPED, "Sec-Fetch-Dest": "iframe"}, {**TYPED, "Sec-Purpose": "prefetch;prerender"}):
        status, told = get(link, **headers)
        assert (status, service_path_in(told)) == (503, None)
    assert service_path_in(get(f"{address}/lab", **TYPED)[1]) is None
    assert service_path_in(get(link, **TYPED, Host="evil.example")[1]) is None
    assert service_path_in(get(link, **TYPED, Host="LOCALHOST:8000")[1]) is not None  # by ssh -L
    status, told = get(f"{address}/golem-launcher/farewell")
    assert json.loads(told)["suspended"] is True

    status, page = get(link, **TYPED)
    assert status == 503
    path = service_path_in(page)
    assert path is not None
    assert str(token) not in page
    _, told = get(address + path)
    about = json.loads(told)
    assert about["stage"] == "suspended"
    assert not about["asks"]
    assert about["told"].startswith("Nothing happened <here>.")
    assert "1.5 of 2 tGLM" in about["costs"]

    led = service_path_in(get(link, **{**TYPED, "Sec-Fetch-Site": "same-origin"})[1])
    assert json.loads(get(f"{address}{led}")[1])["asks"]
    guessed = f"{address}/golem-launcher/waking/guessed"
    assert json.loads(get(guessed)[1]) == {"stage": "unknown"}
    assert json.loads(post(guessed)[1]) == {"problem": "This page is too old."}
    assert post(f"{address}/lab")[0] == 403
    assert post(address + path, "x" * 1000)[0] == 400
    assert not liveness.alive(directory)
    assert directory.state().stage is Stage.SUSPENDED

    parked_address.leave(directory.path)
    wait(address, answers=False)


def test_who_comes_after_its_time_says_how_much_more_it_gets(home: Path) -> None:
    directory = suspended(hours_left=-1)
    pages = WakingPageService()
    number = pages.begin(directory.path, by_themselves=True)
    about = pages.look(number)
    assert (about["asks"], about["hours"]) == (True, ["1", "2", "5"])
    told = pages.wake(number, "720")  # none of those
    assert "time of 'mine' is over" in told["problem"]
    assert not list(home.glob(".ended/*"))
    parked_address.leave(directory.path)
    assert pages.look(number) == {"stage": "over"}
    assert pages.wake(number, "1") == {"problem": ""}
    for _ in range(200):
        pages.begin(directory.path, by_themselves=True)
    assert pages.look(number) == {"stage": "unknown"}


@pytest.mark.parametrize(
    ("left", "price", "hours", "costs"),
    [
        ("1.5", "0.3", ["1", "2", "5"], "It cost at most 0.3 tGLM an hour; at that price it lasts for 5 h."),
        ("1.49", "0.3", ["1", "2"], "no more than is left: 1.49 of 2 tGLM. "),
        ("0.25", "0.3", ["0.83"], "at that price it lasts for 50 min."),
        ("0.02", "0.3", [], "Its budget is used up: 0.02 of 2 tGLM is left."),
        ("0", None, [], "press Wake up on its card on the launcher's page"),
        ("0.02", None, ["1", "2", "5"], "no more than is left: 0.02 of 2 tGLM. "),
    ],
)
def test_no_more_hours_are_offered_than_what_is_left_pays_for(
    home: Path, left: str, price: str | None, hours: list[str], costs: str
) -> None:
    del home
    cost = str(2 - Decimal(left))
    pages = WakingPageService()
    number = pages.begin(suspended(cost=cost, price=price, hours_left=-1).path, by_themselves=True)
    about = pages.look(number)
    assert (about["asks"], about["hours"]) == (True, hours)
    assert costs in about["costs"]
    if "5" not in hours:
        problem = pages.wake(number, "5")["problem"]
        assert "time of 'mine' is over" in problem if hours else problem == "Its budget is used up."
    early = pages.begin(suspended("early", cost=cost, price=price).path, by_themselves=True)
    about = pages.look(early)
    assert (about["asks"], about["hours"]) == ((False, [""]) if hours else (True, []))
    assert bool(re.search(r"It ends at \d\d:\d\d \S+ at the latest\.", about["costs"])) == bool(hours)


def cell(directory: SessionDirectory, code: str) -> str:
    """What a cell of the notebook prints, by the session's link."""

    async def talk() -> str:
        async with Jupyter(directory.url()) as jupyter:
            content = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
            await jupyter.call(
                "PUT", "/api/contents/my.ipynb", {"type": "notebook", "format": "json", "content": content}
            )
            about = {"path": "my.ipynb", "name": "my.ipynb", "type": "notebook", "kernel": {"name": "python3"}}
            session = await jupyter.call("POST", "/api/sessions", about)
            return str("".join(await jupyter.run(session["kernel"]["id"], code)))

    return asyncio.run(talk())


@pytest.mark.slow
def test_a_visit_brings_everything_back_at_the_same_address(ready, node) -> None:  # type: ignore[no-untyped-def]
    directory = ready(idle="12s", when_idle="suspend", save_seconds=1, hours=1)
    name, url = directory.name, directory.url()
    cell(directory, "open('note.txt', 'w').write('kept'); x = 41")
    state = wait_for(directory, lambda state: state.stage.final, 120)
    assert state.stage is Stage.SUSPENDED, explain(directory)
    assert state.reason.startswith("Nothing happened here for 12 s, so it was saved and suspended; ")
    assert directory.url() == url
    first = Journal.read(directory.path).entries
    node.holds_nothing_of(first)
    _, told, _ = command("list", "--json")
    assert next(one for one in told if one["name"] == name)["stage"] == "suspended"
    wait(str(state.address), answers=True)

    assert get(url)[0] == 503  # a program
    _, page = get(url, **TYPED)
    status, told = post(f"{state.address}{service_path_in(page)}")
    assert (status, json.loads(told)) == (200, {"problem": ""})
    again = session_directory(name)
    assert json.loads(get(f"{state.address}{service_path_in(page)}")[1])["stage"] in {"waking", "over"}
    ready_again = wait_for(again, lambda state: state.stage is Stage.READY, 90)
    assert again.url() == url
    assert ready_again.budget == (state.budget - state.cost).quantize(Decimal("0.000001"), ROUND_DOWN)
    assert ready_again.deadline <= state.deadline + timedelta(seconds=5)
    printed = cell(again, "print(open('note.txt').read(), x + 1)")
    assert "kept 42" in printed, printed
    assert parked_address.of(again.path) is None

    client.stop(name)
    assert again.state().stage is Stage.ENDED


@pytest.mark.slow
def test_a_command_wakes_it_up_also_after_a_restart_of_the_computer(ready, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("BROWSER", "true")
    directory = ready(idle="10s", when_idle="suspend", save_seconds=1, hours=1)
    name, url = directory.name, directory.url()
    cell(directory, "open('note.txt', 'w').write('kept')")
    state = wait_for(directory, lambda state: state.stage.final, 120)
    assert session_directory(name).url() == url
    code, _, said = command("extend", name, "--hours", "1", check=False)
    assert code == 1
    assert f"golem-launcher wake {name}" in said

    caretaker_process.end()  # as when the computer was started anew
    command("list")
    wait(str(state.address), answers=True)
    more = ("--budget", "3", "--hours", "1", "--wait")
    code, _, said = command("start", "--resume", name, "--mem", "4000", *more, check=False)
    assert (code, "No offer fits" in said) == (1, True)
    assert session_directory(name).state().reason.startswith("It could not be woken up. ")
    assert command("open", name)[1].strip() == url
    command("start", "--resume", name, "--mem", str(HONEST), *more)
    assert session_directory(name).url() == url
    replaced = [one.state() for one in trash.kept() if one.name.startswith(name)]
    assert {(one.stage, one.reason) for one in replaced} == {(Stage.ENDED, suspension.REPLACED)}
    end = time.monotonic() + 10 * slower()
    while time.monotonic() < end and get(url)[0] != 200:
        time.sleep(0.2)
    assert get(url)[0] == 200
