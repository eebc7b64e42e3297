"""The page in every state, light and dark, narrow and wide. ``make pictures`` keeps what is seen here in docs/images.

States that are hard to reach come from session directories written by the product's own code: the page can't tell.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socketserver
import sys
import threading
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from golem_launcher import files
from golem_launcher.access.sockets.port_socket import port_socket_path
from golem_launcher.events import CostChanged, EndsSoon, Idle, Progress, ProviderLost, Stage, Usage, Used, now
from golem_launcher.gpus import Gpu, GpuProcess, OfferedGpu
from golem_launcher.session_state import Saving
from tests.browser.axe import check_in_both_schemes, found_by_axe
from tests.browser.conftest import PICTURES, command, free_port, new_context, open_page, serving
from tests.browser.small_png import reduced
from tests.ui.fake_node import answers_of, fake_node
from tests.ui.made import GOOD_START, change, make_session, say, write_lab_log

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Locator, Page

    from golem_launcher.session.on_disk.directory import SessionDirectory

NARROW, NORMAL, WIDE = (390, 844), (1280, 860), (1920, 1080)
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGhTnGXqrDVJoOrm0OaMTQyZ7F2VgVQXLFVb3KHZcBk8 me@home"
# A picture for others need not tell where it was taken.
_MOVE_HOME = """
(all, here) => all.forEach((one) => (one.textContent = one.textContent.replaceAll(here, "/home/you/golem-launcher")))
"""
_SAY_HUB = (
    "(all) => all.forEach((one) => (one.textContent = one.textContent.replace(location.origin, 'https://hub.example')))"
)
_SIZE_NAMES = {NARROW: "-narrow", NORMAL: "", WIDE: "-wide"}


class Camera:
    """Takes pictures of one page in themes and sizes, and looks whether each holds."""

    def __init__(self, page: Page, workshop: Page, directory: Path) -> None:
        self.page = page
        self.workshop = workshop
        self._directory = directory

    def take(
        self,
        name: str,
        part: Locator | None = None,
        *,
        schemes: tuple[str, ...] = ("light", "dark"),
        sizes: tuple[tuple[int, int], ...] = (NORMAL,),
        whole: bool = False,
    ) -> None:
        """The window, all that can be scrolled to when ``whole``, or one ``part`` of the page."""
        for size in sizes:
            for scheme in schemes:
                self._set(scheme, size, whole=whole or part is not None)
                if PICTURES in os.environ:
                    path = self._directory / f"{name}-{scheme}{_SIZE_NAMES[size]}.png"
                    picture = (part or self.page).screenshot(animations="disabled")
                    path.write_bytes(reduced(self.workshop, picture))
                elif part is not None:
                    expect(part).to_be_visible()
                self._check(scheme)
                if size == sizes[0]:
                    look_at = part if scheme != schemes[0] else None  # in this scheme test_first_visit sees the rest
                    assert found_by_axe(self.page, look_at) == [], f"{name}, {scheme}"
        if "LOOK" in os.environ:
            check_in_both_schemes(self.page, part or self.page.locator("body"), name)
        self._set("light", NORMAL)

    def _set(self, scheme: str, size: tuple[int, int], *, whole: bool = False) -> None:
        self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        if whole:
            height = self.page.locator("#rendered_cells").evaluate("panel => panel.scrollHeight")
            self.page.set_viewport_size({"width": size[0], "height": height})

    def _check(self, scheme: str) -> None:
        background = self.page.evaluate("getComputedStyle(document.querySelector('.gl-card')).backgroundColor")
        lightness = sum(map(int, re.findall(r"\d+", background)[:3])) / 3
        assert lightness > 200 if scheme == "light" else lightness < 60
        panel = self.page.locator("#rendered_cells")
        assert panel.evaluate("panel => panel.scrollWidth <= panel.clientWidth")  # nothing stands out at the side


@pytest.fixture(scope="module")
def camera(chromium: Browser, address: str, pictures: Path) -> Iterator[Camera]:
    with new_context(chromium) as context:
        page = open_page(context, address)
        page.locator(".gl-status[data-state=up]").wait_for()
        page.locator(".gl-price").get_by_text("3 machines fit").wait_for()
        yield Camera(page, context.new_page(), pictures)


@pytest.fixture(autouse=True)
def _nothing_left(home: Path, camera: Camera) -> Iterator[None]:
    yield
    for path in (home / "sessions").glob("*"):
        shutil.rmtree(path, ignore_errors=True)
    camera.page.locator(".gl-toast-close").evaluate_all("all => all.forEach((one) => one.click())")


@contextmanager
def _form_as_it_was(page: Page) -> Iterator[None]:
    yield
    page.reload()
    page.locator(".gl-price").get_by_text("3 machines fit").wait_for()


def _card(page: Page, name: str, badge: str) -> Locator:
    card = page.get_by_role("article", name=name)
    card.locator(".gl-badge", has_text=badge).wait_for()
    return card


def _running(name: str, stages: tuple[Stage, ...] = GOOD_START, **more: object) -> SessionDirectory:
    """A session of a quarter of an hour, with work in it."""
    asked = {"cpus": 2, "memory_gib": 4, "disk_gib": 10, "ssh_key": PUBLIC_KEY, **more.pop("asked", {})}  # type: ignore[dict-item]
    longer = {"age": 3612.0, "deadline": now() + timedelta(hours=1.2)} if stages != GOOD_START else {}
    values: dict[str, object] = {
        "usage": Usage(cpu_percent=137, memory_bytes=2_140_000_000, disk_bytes=364_000_000),
        "saving": _saving(name),
        "asked": asked,
        **longer,
        **more,
    }
    directory = make_session(name, stages, **values)  # type: ignore[arg-type]
    for second in range(0, 900, 20):
        at = now() - timedelta(seconds=900 - second)
        directory.append_event(CostChanged(at=at, cost=Decimal("0.0076") * (second + max(0, second - 400)) / 1400))
        busy = second > 400 and second % 180 > 40
        used = Usage(cpu_percent=137 if busy else 4, memory_bytes=400_000_000 + 1_900_000 * second)
        directory.append_event(Used(at=at, usage=used, save_age=second % 60))
    say(directory, "3 offers fit; the best asks 0.0306 tGLM an hour")
    write_lab_log(directory, "[I ServerApp] Jupyter Server 2.21.1 is running", "[I LabApp] Kernel started: python3")
    return directory


def _saving(name: str, **more: object) -> Saving:
    at = now() - timedelta(seconds=3)
    given = {"workspace": name, "generation": 41, "saved_at": at, "interval": 5.0, "files": 48, "bytes": 13_200_000}
    return Saving(**{**given, **more})  # type: ignore[arg-type]


@contextmanager
def _agent_with_ssh(directory: SessionDirectory) -> Iterator[None]:
    """What stands behind a session's port socket: the agent, asked for its ssh server."""

    class Agent(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.readline()
            self.wfile.write(b'{"ssh": "sshd", "user": "golem", "port": 2222}')

    with socketserver.ThreadingUnixStreamServer(str(port_socket_path(directory.path)), Agent) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield
        server.shutdown()
        thread.join()


def test_first_visit(camera: Camera) -> None:
    camera.take("first-visit", sizes=(NORMAL, NARROW))


def test_the_form_filled(camera: Camera, tmp_path: Path) -> None:
    page = camera.page
    (tmp_path / "measurements.csv").write_bytes(b"1,2\n" * 300_000)
    with _form_as_it_was(page):
        page.get_by_label("Name", exact=True).fill("thesis-figures")
        page.get_by_label("Time", exact=True).fill("3")
        page.get_by_label("Memory", exact=True).fill("2")
        page.get_by_role("radio", name="Data science").check()
        page.get_by_label("Packages", exact=True).fill("seaborn\nstatsmodels>=0.14")
        page.get_by_label("Upload files").set_input_files(tmp_path / "measurements.csv")
        page.locator(".gl-upload").get_by_role("button", name="Remove").wait_for()
        page.locator(".gl-share pre", has_text="statsmodels").wait_for(state="attached")
        camera.take("form", schemes=("light",), whole=True)
        page.locator("summary", has_text="Advanced").click()
        page.locator(".gl-group-advanced").scroll_into_view_if_needed()
        camera.take("advanced", page.locator(".gl-group-advanced"), schemes=("dark",))
        page.locator(".gl-upload").get_by_role("button", name="Remove").click()
        page.locator(".gl-upload").wait_for(state="detached")


def test_errors_beside_their_fields(camera: Camera) -> None:
    page = camera.page
    with _form_as_it_was(page):
        page.get_by_label("Budget", exact=True).fill("0")
        page.get_by_label("Memory", exact=True).fill("a lot")
        page.get_by_label("Memory", exact=True).press("Enter")
        page.locator("[aria-invalid]").nth(1).wait_for()
        camera.take("errors", sizes=(NORMAL, NARROW), schemes=("light",))
        camera.take("errors", schemes=("dark",))


def test_no_machine_fits(camera: Camera) -> None:
    page = camera.page
    with _form_as_it_was(page):
        page.get_by_label("Memory", exact=True).fill("999")
        page.locator(".gl-price").get_by_text("No machine fits.").wait_for()
        camera.take("no-machine", page.locator(".gl-price"))


def test_starting(camera: Camera) -> None:
    directory = make_session("thesis-figures", GOOD_START[:5], age=12.3, asked={"packages": ["seaborn"]})
    say(directory, "3 offers fit; the best asks 0.0306 tGLM an hour")
    directory.append_event(Progress(what="measurements.csv", done=7_300_000, total=24_000_000, unit="bytes"))
    say(directory, "Installing 2 packages.")
    card = _card(camera.page, "thesis-figures", "Starting")
    card.get_by_text("7.0 of 22.9 MiB (30 %)").wait_for()
    camera.take("starting", sizes=(NORMAL, NARROW))


def test_ready(camera: Camera) -> None:
    directory = _running("thesis-chapter-2")
    card = _card(camera.page, "thesis-chapter-2", "Ready")
    card.get_by_role("link", name="Open JupyterLab").wait_for()
    card.get_by_text("an hour lately").wait_for()
    for figure in ("spent", "saved", "cpu", "memory"):
        card.locator(f".gl-meter-{figure} .gl-plot-line[points]").wait_for()
    assert card.locator(".gl-meter-gpu .gl-plot-line[points]").count() == 0
    camera.take("ready", sizes=(NORMAL, WIDE))
    camera.take("ready", sizes=(NARROW,), whole=False)
    with _agent_with_ssh(directory):
        card.get_by_text("Other ways in").click()
        card.get_by_label("The same with websocat").wait_for()
    card.locator("code").evaluate_all(_MOVE_HOME, str(Path(sys.prefix).parent))
    camera.take("ways-in", card.locator(".gl-ways"), schemes=("light",))
    camera.take("ways-in", card.locator(".gl-ways"), schemes=("dark",), sizes=(NARROW,))


def test_the_choices_on_a_hub(camera: Camera, chromium: Browser, home: Path, pictures: Path) -> None:
    del home
    environment = {**os.environ, "JUPYTERHUB_SERVICE_PREFIX": "/user/you/"}
    argv = command("page", "--no-browser", "--json", f"--port={free_port()}")
    _running("field-notes", network="polygon", asked={"ssh_key": None}, base_url="/user/you/proxy/absolute/40123/")
    with serving(argv, lambda line: '"url"' in line, env=environment) as lines, new_context(chromium) as context:
        page = open_page(context, json.loads("{" + lines[-1] + "}")["url"])
        card = _card(page, "field-notes", "Ready")
        card.get_by_role("button", name="Open JupyterLab here").click()
        card.get_by_text("could use your server there in your name").wait_for()
        card.locator("code").evaluate_all(_SAY_HUB)
        camera_here = Camera(page, camera.workshop, pictures)
        camera_here.take("hub", card, schemes=("light",))
        camera_here.take("hub", card, schemes=("dark",), sizes=(NARROW,))


def test_ending_soon(camera: Camera) -> None:
    busy = Usage(
        cpu_percent=92,
        memory_bytes=2_900_000_000,
        disk_bytes=4_640_000_000,
        gpu_percent=61,
        gpu_memory_bytes=7_200_000_000,
    )
    directory = _running("parameter-sweep", asked={"image": "you/image:tag", "gpus": 1}, usage=busy)
    card_there = Gpu(
        name="NVIDIA L4",
        driver="550.54.14",
        memory_total_bytes=24_152_899_584,
        memory_bytes=7_200_000_000,
        percent=61,
        celsius=58,
        watts=49,
        watts_most=72,
        processes=(GpuProcess(pid=1, name="python3", memory_bytes=7_100_000_000),),
    )
    offered = OfferedGpu(model="NVIDIA L4", memory_gib=24)
    head = directory.state().head.model_copy(update={"gpus": (card_there,), "gpus_offered": (offered,)})
    change(directory, machines=(head,))
    card = _card(camera.page, "parameter-sweep", "Ready")
    card.get_by_text("an hour lately").wait_for()
    card.get_by_text("as offered").wait_for()
    change(directory, deadline=now() + timedelta(seconds=560))
    directory.append_event(EndsSoon(minutes=10, why="time"))
    toast = camera.page.locator(".gl-toast", has_text="10 minutes left")
    toast.wait_for()
    card.get_by_role("button", name="Extend", exact=True).first.click()
    card.get_by_label("Hours more").wait_for()
    camera.take("ends-soon")


def test_saving_before_the_end(camera: Camera) -> None:
    directory = _running("night-run", stages=(*GOOD_START, Stage.SAVING))
    directory.append_event(Progress(what="new data", done=31_000_000, total=52_000_000, unit="bytes"))
    card = _card(camera.page, "night-run", "Saving")
    card.get_by_text("29.6 of 49.6 MiB (60 %)").wait_for()
    camera.take("saving", card)


def test_recovering(camera: Camera) -> None:
    lost = "attic was lost: no answer for 60 seconds. Looking for another provider."
    directory = _running("protein-fold", stages=(*GOOD_START, Stage.RECOVERING), providers_lost=1, reason=lost)
    directory.append_event(ProviderLost(provider_name="attic", reason="no answer for 60 seconds"))
    say(directory, "2 offers fit; the best asks 0.0306 tGLM an hour")
    card = _card(camera.page, "protein-fold", "Recovering")
    card.get_by_text("2 offers fit").first.wait_for()
    camera.take("recovering", card, sizes=(NORMAL, NARROW))


def test_recovered(camera: Camera) -> None:
    notice = "attic was lost at 10:42. The files are those saved 4 s before; kernels that ran are gone."
    _running("weather-model", stages=(*GOOD_START, Stage.RECOVERING, Stage.READY), providers_lost=1, notices=(notice,))
    card = _card(camera.page, "weather-model", "Ready")
    card.get_by_text("attic was lost at 10:42").wait_for()
    card.get_by_text("an hour lately").wait_for()
    camera.take("recovered", card)


def test_unused(camera: Camera) -> None:
    words = "Nothing has happened here for 58 min. It is saved and stopped at 14:32."
    directory = _running("left-alone")
    card = _card(camera.page, "left-alone", "Ready")
    expect(card.get_by_role("button", name="Keep it running")).to_be_hidden()
    change(directory, idle=words, idle_ends_at=now() + timedelta(minutes=2))
    directory.append_event(Idle(seconds=3480, seconds_left=120))
    card.get_by_role("button", name="Keep it running").wait_for()
    card.get_by_text(words).wait_for()
    camera.page.get_by_text("left-alone: Unused").wait_for()
    camera.take("unused", card, sizes=(NORMAL, NARROW))
    change(directory, idle="", idle_ends_at=None)
    expect(card.get_by_role("button", name="Keep it running")).to_be_hidden()


def test_failed(camera: Camera) -> None:
    reason = "No provider took the offer within 20 seconds. Raise the highest price, or ask for less memory."
    directory = make_session("big-model", (*GOOD_START[:3], Stage.FAILED), age=21, reason=reason, machines=())
    say(directory, "3 offers fit; the best asks 0.0306 tGLM an hour")
    say(directory, reason, "error")
    card = _card(camera.page, "big-model", "Failed")
    camera.take("failed", card)


def test_ended_with_results(camera: Camera) -> None:
    over = (*GOOD_START, Stage.SAVING, Stage.STOPPING, Stage.ENDED)
    make_session("first-try", (*GOOD_START, Stage.STOPPING, Stage.ENDED), age=9000, reason="The time was up.")
    _running("field-notes", stages=over, age=3618.0, reason="You ended it.", cost=Decimal("0.0231"), usage=None)
    page = camera.page
    page.get_by_role("region", name="Past sessions (2)").wait_for()
    _card(page, "field-notes", "Ended").get_by_role("button", name="Download results").wait_for()
    camera.take("ended", page.locator(".gl-past"))


def test_without_its_supervisor(camera: Camera) -> None:
    directory = make_session("old-laptop", GOOD_START[:3], alive=False)
    with files.locked(directory.lock, deadline=5):  # somebody closes it down already, and takes long
        card = _card(camera.page, "old-laptop", "Unattended")
        camera.take("unattended", card)
    change(directory, stage=Stage.FAILED)


def test_the_wallet(camera: Camera) -> None:
    page = camera.page
    with _form_as_it_was(page), fake_node(answers_of()):
        page.get_by_role("radio", name="Polygon").check()
        page.get_by_label("Budget", exact=True).fill("20")
        page.locator(".gl-wallet").get_by_text("8.75 GLM of that is missing").wait_for()
        page.locator(".gl-price").get_by_text("14 machines fit").wait_for()
        page.locator("#rendered_cells").evaluate("panel => panel.scrollTo(0, 0)")
        camera.take("wallet", sizes=(NORMAL, NARROW))


def test_the_faucet(camera: Camera) -> None:
    page = camera.page
    answers = answers_of("hoodi", "tGLM", "tETH", amount="0")
    held = threading.Event()
    with _form_as_it_was(page), fake_node(answers | {"/_gsb/local/driver/erc20/Fund": held}):
        page.get_by_role("radio", name="Hoodi").check()
        page.locator(".gl-wallet").get_by_role("button", name="Get play money").click()
        page.locator(".gl-wallet").get_by_role("progressbar").wait_for()
        camera.take("faucet", page.locator(".gl-header"))
