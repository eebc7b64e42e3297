"""What an agent, or whoever stands in its place, says: honest messages, and such with anything in the place of a part.

Whatever it is, each reader gives what it may give or refuses it in its own way. Lists of files and chunks have tests of
their own (tests/workspace/transfer), and so have a page's words of its documents (tests/access/lab).
"""

import asyncio
import contextlib
import json
import math
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from golem_launcher.access.ssh import SshServer
from golem_launcher.errors import AccessError, LauncherError
from golem_launcher.events import Usage
from golem_launcher.gpus import OfferedGpu, differences
from golem_launcher.market.reputation import _share
from golem_launcher.rental.deploy_progress import DeployProgress
from golem_launcher.session.machines import usage_meter
from golem_launcher.session.machines.gpu_readings import gpu_readings
from golem_launcher.session.machines.usage_meter import Meter
from golem_launcher.untrusted_json import number
from golem_launcher.workspace.repository.package_lists import installable, read_environment
from golem_launcher.workspace.transfer.responses import are_pairs, as_object, as_shown, count_of
from tests.examples import examples

_USAGE = {
    "time": 12.5, "cpu_seconds": 3.25, "memory_bytes": 1 << 30, "disk_bytes": 5000, "gpu_percent": 7.0,
    "gpu_memory_bytes": 1 << 20,
}  # fmt: skip
_GPU = {
    "name": "NVIDIA L4", "driver": "550.54.14", "compute_capability": "8.9", "memory_total_bytes": 24 << 30,
    "memory_bytes": 1 << 30, "percent": 3.0, "celsius": 45.0, "watts": 30.5, "watts_most": 72.0,
    "processes": [{"pid": 1, "name": "python3", "memory_bytes": 1 << 30}],
}  # fmt: skip
_STATUS = {"ssh": "sshd", "port": 8890, "user": "golem"}
_COUNT = {"next": 3, "problems": [["a/b", "no room"]]}
_PACKAGES = {"requirements": ["numpy==2.1"], "full": ["numpy==2.1", "x @ file:///y"]}
_PROGRESS = {"progress": [5, 10], "unit": "Bytes"}
_BEYOND = int("9" * 400)
_ODD = st.sampled_from(
    [None, True, -1, 0, 1 << 63, 1 << 80, _BEYOND, -_BEYOND, 1e308, -0.0, "", "-oProxyCommand=x", "a\ud800", "\0",
     "x" * 5000, [], {}, [[]], [{}], {"": {}}, [["a"]], [[1, 2, 3]]]
)  # fmt: skip
_ANY = st.recursive(
    _ODD | st.text(max_size=8) | st.floats(allow_nan=False) | st.integers(), lambda inner: st.lists(inner, max_size=3)
)


@st.composite
def changed(draw, honest):
    """An honest message of which parts are others, missing, or too many."""
    value = json.loads(json.dumps(honest))
    for key in draw(st.lists(st.sampled_from(sorted(honest)), max_size=3)):
        if draw(st.booleans()):
            value.pop(key, None)
        elif isinstance(honest[key], list) and draw(st.booleans()):
            value[key] = [*honest[key], draw(_ANY)]
        else:
            value[key] = draw(_ANY)
    return draw(st.just(value) | st.just([value]) | _ANY) if draw(st.integers(0, 9)) == 0 else value


def said(value):
    return json.dumps(value).encode()


def test_a_number_that_no_float_can_be_is_none():
    """JSON's numbers have no end: Python's ``isfinite`` raises for such a one."""
    assert number(_BEYOND) is number(-_BEYOND) is number(math.inf) is number(True) is number("1") is None
    assert number(3) == 3.0
    assert Meter().read(said({**_USAGE, "memory_bytes": _BEYOND})) is None
    assert Meter().read(said({**_USAGE, "gpu_percent": _BEYOND})).gpu_percent is None
    assert _share(_BEYOND) == 0.0


def test_every_figure_of_usage_is_read_by_its_name(monkeypatch):
    """A figure more is a line of the agent's and a field here, whatever its unit."""

    class Wider(Usage):
        swap_bytes: int | None = None
        open_files: int | None = None

    monkeypatch.setattr(usage_meter, "Usage", Wider)
    usage = Meter().read(said({**_USAGE, "swap_bytes": 7, "open_files": 3}))
    assert (usage.swap_bytes, usage.open_files) == (7, 3)
    assert Meter().read(said({**_USAGE, "open_files": _BEYOND})).open_files is None


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(changed(_USAGE), min_size=1, max_size=3))
def test_usage(values):
    reader = Meter()
    for value in values:
        usage = reader.read(said(value))
        if usage is not None:
            shown = usage.model_dump()
            assert all(each is None or 0 <= each < math.inf for each in shown.values()), shown


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(changed(_GPU), max_size=20) | _ANY)
def test_gpus(values):
    found = gpu_readings(said({"gpus": values}))
    for gpu in found or ():
        assert gpu.words.isprintable()
        assert gpu.programs.isprintable()
        assert len(gpu.words) < 400
        figures = gpu.model_dump(exclude={"name", "driver", "compute_capability", "processes"})
        assert all(one is None or 0 <= one < math.inf for one in figures.values()), figures
        differences([OfferedGpu(model="L4", memory_gib=24, compute_capability="8.9")], [gpu])
    assert found is None or len(found) <= 16


@settings(max_examples=examples(300), deadline=None)
@given(changed(_STATUS))
def test_the_ways_that_there_are(value):
    try:
        server = SshServer.told(said(value))
    except AccessError:
        return
    assert 0 < server.port < 1 << 16
    assert server.user[0] not in "-."
    assert server.user.isascii()
    assert server.user.isprintable()


@settings(max_examples=examples(300), deadline=None)
@given(changed(_COUNT))
def test_answers_about_files(value):
    try:
        answer = as_object(said(value))
        assert isinstance(count_of(answer), int)
    except LauncherError:
        return
    problems = answer.get("problems")
    shown = [as_shown(each) for pair in problems for each in pair] if are_pairs(problems) else []
    assert all(text.isprintable() and len(text) <= 300 for text in shown)


@settings(max_examples=examples(200), deadline=None)
@given(changed(_PACKAGES))
def test_packages(value):
    environment = read_environment(value)
    if environment is not None:
        good, _ = installable(environment.full)
        assert not any(line.startswith("-") or "/" in line or " " in line for line in good)


@settings(max_examples=examples(200), deadline=None)
@given(changed(_PROGRESS))
def test_how_far_a_provider_is_with_the_image(value):
    told = []

    async def scene():
        image = SimpleNamespace(served=None, served_to=lambda _provider: None)
        looking = DeployProgress(
            None, provider_id="0x1", image=image, deployed=asyncio.get_running_loop().create_future(),
            still_seconds=1.0, on_progress=lambda *words: told.append(words),
        )  # fmt: skip
        with contextlib.suppress(LookupError, TypeError, ValueError, OverflowError):  # as its listener: no word
            looking._take(value["progress"], str(value["unit"] or ""))

    asyncio.run(scene())
    assert all(0 <= done <= total < 1 << 50 for _, done, total, _ in told)
