"""Variables into files and back in another process, as a kernel's are: no kernel here, and no session."""

import base64
import json
import os
import shutil
import signal
import string
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from golem_launcher.agent.kernel_state import shared_objects
from golem_launcher.agent.kernel_state.chunk_files import CHUNK, ChunkFiles
from golem_launcher.agent.kernel_state.definitions import Definitions
from golem_launcher.agent.kernel_state.pickler import Limits
from golem_launcher.agent.kernel_state.restoring import LOST, REBUILT, SAVED, restore
from golem_launcher.agent.kernel_state.saving import save
from tests.examples import examples

_NOTEBOOK = '''
cell("import json as j, collections, dataclasses, enum, functools, threading, socket, io, sqlite3, typing")
cell("K = 10")
cell("""
# a note
def f(n, more=K):
    return n + K + more  # by the globals of the notebook
""")
cell("double = lambda n: 2 * n")
cell("P = collections.namedtuple('P', ['x', 'y'])")
cell("""
class Colour(enum.Enum):
    RED = 1
@dataclasses.dataclass
class Point:
    x: int
    y: int = 2
if True:
    @functools.lru_cache(maxsize=None)
    def slow(n):
        return n * n
""")
cell("T = typing.TypeVar('T')")
cell("a = [1, 2]; b = {'a': a}; c = a; point = Point(1); colour = Colour.RED")
cell("p = P(1, 2); part = functools.partial(f, 3)")
cell("loop = []; loop.append(loop)")
cell("big = bytes(3_000_000) + b'x'")
cell("numbers = {n: str(n) for n in range(5)}; text = io.StringIO('kept')")
'''
_LOST = """
cell("opened = open('/etc/hostname'); sock = socket.socket(); generator = (n for n in range(3))")
cell("lock = threading.Lock()")
cell("thread = threading.Thread(target=print); base = sqlite3.connect(':memory:'); good = [1]; both = [good, lock]")
cell("def factory():\\n    class Inner: pass\\n    return Inner")
cell("inner = factory()(); locked = lambda: lock; locked = [lambda held=lock: held]")
cell("class Bad:\\n    def __reduce__(self): raise RuntimeError('no such luck')")
cell("bad = Bad()")
"""
_LOOK = """
globals()["K"] = 100
print(json.dumps([
    load_first, f(1), double(4), slow(5), b["a"] is a is c, type(point) is Point and point.y, colour is Colour.RED,
    p.x, part(), loop[0] is loop, len(big), big[-1:] == b"x", numbers[3], text.getvalue(), j.__name__,
]))
"""


def _pythons():
    for name in ("3.10", "3.12", "3.13"):
        for path in sorted((Path.home() / ".pyenv/versions").glob(f"{name}.*/bin/python3"))[:1] or [
            shutil.which(f"python{name}")
        ]:
            works = path and subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0
            yield pytest.param(str(path), id=name, marks=() if works else pytest.mark.skip("there is no such Python"))


@pytest.mark.parametrize("python", [pytest.param(sys.executable, id="this"), *_pythons()])
def test_a_notebook_comes_back_in_any_python(processes, python):
    """Functions see the notebook's globals, shared objects stay shared, classes are those of their instances."""
    processes.run(_NOTEBOOK + "save()")
    fates, *found = processes.run("load_first = load()" + _LOOK, python)
    assert found == [111, 8, 25, True, 2, True, 1, 113, True, 3_000_001, True, "3", "kept", "json"]
    rebuilt = {"j", "collections", "dataclasses", "enum", "functools", "threading", "socket", "io", "sqlite3", "typing",
               "f", "double", "P", "Colour", "Point", "slow", "T"}  # fmt: skip
    assert {name for name, (what, _) in fates.items() if what == REBUILT} == rebuilt
    assert {name for name, (what, _) in fates.items() if what == SAVED} == {
        "K", "a", "b", "c", "point", "colour", "p", "part", "loop", "big", "numbers", "text",
    }  # fmt: skip


def test_what_cannot_be_kept_is_named_with_its_reason_and_costs_nobody_else(processes):
    manifest = processes.run(_NOTEBOOK + _LOST + "print(json.dumps(save()))")
    lost = {
        "opened": "an open file", "sock": "a connection", "generator": "a generator that has begun", "lock": "a lock",
        "thread": "a thread", "base": "an open database", "both": "a lock", "bad": "RuntimeError: no such luck",
        "inner": "factory.<locals>.Inner has no source", "locked": "a lock",
    }  # fmt: skip
    assert manifest["lost"].keys() == lost.keys()
    for name, words in lost.items():
        assert words in manifest["lost"][name]
    fates = processes.run("print(json.dumps(load()))")
    assert {name for name, (what, _) in fates.items() if what == LOST} == lost.keys()
    assert fates["good"][0] == SAVED


_FUNCTIONS = """
cell('''
import math as m
rate = 2
def counter(start):
    import collections
    n, seen = start, collections.Counter()
    def up(step=rate):
        nonlocal n
        n += step
        seen[n] += 1
        return n
    def now(): return n, dict(seen)
    return up, now
def recursive():
    def fall(n): return 0 if n == 0 else fall(n - 1) + rate
    return fall
''')
cell("up, now = counter(5); up(); more = [now]; fall = recursive(); fall.note = 'a note'")
cell("table = {'square': lambda x: x ** 2, 'sine': lambda x: m.sin(x) + rate, 'modules': [m]}")
cell("data = [1]; holds = (lambda data: lambda: data)(data)")
cell("def f(): return 'old'")
cell("old = [f]")
cell("def f(): return 'new'")
"""


def test_functions_without_a_name_come_back_with_what_they_hold(processes):
    """Lambdas in containers, functions made by functions: they share their variables, and read the notebook's."""
    processes.run(_FUNCTIONS + "save()")
    fates, *found = processes.run(
        "fates = load()\nrate = 3\nprint(json.dumps([fates, up(), now(), more[0] is now, fall(4), fall.note, "
        "table['square'](3), table['sine'](0), table['modules'] == [m], holds() is data, old[0](), f()]))"
    )
    assert {name for name, (what, _) in fates.items() if what == LOST} == set()
    assert found == [9, [9, {"7": 1, "9": 1}], True, 12, "a note", 9, 3.0, True, True, "old", "new"]


def test_code_of_another_kind_of_python_is_said_and_not_tried(processes):
    processes.run('cell("squares = [lambda x: x * x]; n = 1")\nsave()')
    (path,) = processes.state.glob("state-*.json")
    manifest = json.loads(path.read_text())
    (group,) = [group for group in manifest["groups"] if group["names"] == ["squares"]]
    assert group["code"] == sys.implementation.cache_tag
    path.write_text(json.dumps(manifest).replace(group["code"], "cpython-27"))
    fates = processes.run("print(json.dumps(load()))")
    assert fates["n"] == [SAVED, ""]
    assert fates["squares"] == [LOST, f"a function in it is code of cpython-27, here is {group['code']}"]


_CONTAINERS = """
cell('''
class Told(list):
    def __init__(self, *items):
        super().__init__(items)
        self.owners = [self]
    def append(self, item):
        self.owners[0].heard = item
        super().append(item)
    def extend(self, items):
        raise AssertionError("nobody calls this")
class Table(dict):
    def __init__(self):
        self.changes = 0
    def __setitem__(self, key, value):
        self.changes += 1
        super().__setitem__(key, value)
''')
cell("told, table = Told(1, 2), Table(); table['a'] = told")
"""


def test_containers_that_do_more_as_they_are_filled_come_back_as_they_were(processes):
    """Bokeh's tell their owners, whom they do not know yet while pickle fills them."""
    processes.run(_CONTAINERS + "save()")
    fates, *found = processes.run(
        "fates = load()\nprint(json.dumps([fates, told, told.owners[0] is told, hasattr(told, 'heard'), "
        "table['a'] is told, table.changes]))"
    )
    assert {name for name, (what, _) in fates.items() if what == LOST} == set()
    assert found == [[1, 2], True, False, True, 1]


_WIDGETS = """
cell("import ipywidgets as w, traitlets; heard = []")
cell("def hear(change): heard.append(change['new'])")
cell('''
slider = w.IntSlider(value=7, min=-5, max=10, description="n", layout=w.Layout(width="9em"))
slider.observe(hear, "value")
slider.observe(lambda change: heard.append(change["name"]))
button = w.Button(description="go", icon="check")
button.on_click(lambda button: heard.append(button.description))
choice = w.Dropdown(options=[("one", 1), ("two", 2)], value=2)
shown = {"all": w.VBox([slider, button, w.HBox([choice, w.FloatText(1.5), w.HTML("<b>x</b>")])])}
tabs = w.Tab([w.Text("a"), w.SelectMultiple(options="xyz", value=["y"]), w.IntRangeSlider(value=(2, 3))], titles=["t"])
link = w.jslink((slider, "value"), (w.IntProgress(), "value"))
class Own(w.IntText): pass
own = Own(3)
called = w.interactive(hear, change=["x"])
numbers = [slider.model_id, button.model_id]
''')
"""


def test_widgets_are_made_anew_with_what_they_call(processes):
    """By the same numbers, so that a page that shows them has them again. Others than ipywidgets' own are lost."""
    pytest.importorskip("ipywidgets")
    manifest = processes.run(_WIDGETS + "print(json.dumps(save()))")
    assert manifest["lost"] == dict.fromkeys(["own", "called"], "a widget of a kind that is half in the page")
    fates, *found = processes.run("""
fates = load()
box = shown["all"]
slider.value = 8
button.click()
choice.value = 1
print(json.dumps([
    fates, heard, numbers == [slider.model_id, button.model_id],
    box.children[0] is slider, box.children[2].children[0] is choice,
    slider.min, slider.layout.width, choice.options, box.children[2].children[2].value, tabs.titles[0],
    tabs.children[1].value, tabs.children[2].value, link.source[0] is slider,
]))""")
    assert {name for name, (what, _) in fates.items() if what == LOST} == {"own", "called"}
    heard = [8, "value", "go"]
    assert sorted(map(str, found[0])) == sorted(map(str, heard))
    assert found[1:] == [True, True, True, -5, "9em", [["one", 1], ["two", 2]], "<b>x</b>", "t", ["y"], [2, 3], True]


def test_a_file_of_the_users_is_never_touched(processes, tmp_path):
    written = tmp_path / "mine.txt"
    cell = f"with open({str(written)!r}, 'w') as mine: mine.write('as it was')"
    processes.run(f"cell({cell!r})\nsave()")
    assert processes.run("print(json.dumps(load()))")["mine"] == [LOST, "an open file"]
    assert written.read_text() == "as it was"


def test_what_waits_for_another_comes_after_it(processes):
    """A default that is a variable, whose class is defined in the notebook, too."""
    processes.run('cell("class A:\\n    n = 1")\ncell("one = A()")\ncell("def f(x=one): return x.n")\nsave()')
    assert processes.run("load()\nprint(f())") == 1


@pytest.mark.slow
def test_a_small_change_of_a_large_array_writes_one_chunk(processes):
    pytest.importorskip("numpy")
    script = 'cell("import numpy as np; a = np.zeros(4_000_000); view = a")\nsave()\ncell("a[5] = 3.0")\n'
    processes.run(script.partition("save()")[0] + "save()")
    first = set((processes.state / "chunks").iterdir())
    processes.run(script + "save()")
    assert len(set((processes.state / "chunks").iterdir()) - first) == 1
    assert processes.run(
        "load()\na[6] = 1\nprint(float(a[5]), view is a and 1)".replace("print(", "print(json.dumps([").replace(
            "1)", "1]))"
        )
    ) == [3.0, 1]


@pytest.mark.slow
def test_versions_are_compared_before_anything_is_loaded(processes):
    pytest.importorskip("numpy")
    processes.run('cell("import numpy as np; a = np.zeros(3); n = 1")\nsave()')
    (path,) = processes.state.glob("state-*.json")
    manifest = json.loads(path.read_text())
    for version, words in (("99.1.0", "was saved with numpy 99.1.0, here is"), ("1.26.4", "here is")):
        manifest["libraries"]["numpy"] = version
        path.write_text(json.dumps(manifest))
        fates = processes.run("print(json.dumps(load()))")
        assert fates["a"][0] == LOST
        assert words in fates["a"][1]
        assert fates["n"] == [SAVED, ""]
    (group,) = [group for group in manifest["groups"] if group["names"] == ["a"]]
    group["libraries"] = ["no_such_library"]
    path.write_text(json.dumps(manifest))
    assert "can't be imported" in processes.run("print(json.dumps(load()))")["a"][1]
    path.write_text(json.dumps({**manifest, "implementation": "pypy"}))
    assert "pypy" in processes.run("print(json.dumps(load()))")["n"][1]


def test_size_and_time_have_limits(processes):
    script = 'cell("large = bytes(5_000_000); small = 1; more = bytes(2_000_000)")\n'
    lost = processes.run(script + "print(json.dumps(save(most=3_000_000)['lost']))")
    assert lost == {"large": "all variables together may take 2.9 MiB"}
    lost = processes.run(script + "print(json.dumps(save(seconds=-1.0)['lost']))")
    assert lost == dict.fromkeys(["large", "small", "more"], "saving takes longer than -1 s")


def test_what_is_left_out_is_not_written_and_stays_left_out(processes):
    processes.run('cell("secret = \'hush\'; n = 1")\nsave(left_out=["secret"])')
    assert "hush" not in "".join(path.read_text() for path in processes.state.glob("*.json"))
    assert processes.run("print(json.dumps([load(), 'secret' in globals()]))") == [{"n": [SAVED, ""]}, False]


@pytest.mark.slow
def test_what_is_left_out_stays_so_in_kernels_that_are_started_anew(kernel, tmp_path):
    state = tmp_path / "state"
    kept, answer, _ = kernel(
        "secret, other = 'hush-hush', [1]; a = 1; until = 'a'", "%state leave secret, nosuch", "b = 1; until = 'b'"
    )
    assert kept == ""
    assert "There is no variable nosuch now; one of that name will be left out." in answer
    assert "Saves that were made before may still hold secret." in answer
    assert "secret  saved" not in answer
    assert "Left out: nosuch, secret" in answer
    # Nor is it in what was written before: each further save would have it.
    assert [path for path in state.rglob("*") if path.is_file() and b"hush-hush" in _plain(path)] == []
    _, answer = kernel("secret = 'hush-hush'; c = 1; until = 'c'", "%state leave secret")
    assert [path for path in state.rglob("*") if path.is_file() and b"hush-hush" in _plain(path)] == []
    assert "Left out: nosuch, secret" in answer
    assert "hold" not in answer
    # It is told when the notebook goes on from a save, and holds on, also when the kernel is restarted after that.
    (tmp_path / "ticket").write_text(str(state))
    own = tmp_path / "own"
    told = {"GOLEM_LAUNCHER_STATE": str(own), "GOLEM_LAUNCHER_STATE_TICKET": str(tmp_path / "ticket")}
    said, answer = kernel("print(c)", "%state", **told)
    assert said.startswith("Golem Launcher: this notebook went on from a save. ")
    assert "left out: secret. See %state\n1" in said
    assert "Left out: nosuch, secret" in answer
    none, answer, back, _ = kernel(
        "print('c' in globals()); secret = 'hush-hush'; d = 1; until = 'd'", "%state", "%state keep secret, other",
        "until = 'secret'", **told,
    )  # fmt: skip
    assert none == "False"
    assert "Left out: nosuch, secret" in answer
    assert "other was not left out." in back
    assert "Kept again, from the next save on: secret." in back
    assert not own.exists()
    assert "Left out: nosuch" in kernel("%state", **told)[0].splitlines()


def _plain(path):
    """The bytes of a file, with what a manifest has within it."""
    data = path.read_bytes()
    groups = json.loads(data)["groups"] if path.match("state-*.json") else []
    return data + b"".join(base64.b64decode(group.get("small", "")) for group in groups)


@pytest.mark.slow
def test_what_is_too_large_is_told_once(kernel):
    big = "big = bytes(513 << 20); until = 'big'"
    _, table, *after = kernel(big, "%state", "n = 1; until = 'n'", "%state", "print('again')")
    line = (
        "Golem Launcher: not kept, and lost should this notebook go on elsewhere: "
        "big (all variables together may take 512 MiB). See %state"
    )
    assert "lost     all variables together may take 512 MiB" in table
    assert "\n".join([table, *after]).count(line) == 1
    assert after[-1] == "again"


def test_a_session_without_state_says_so(kernel):
    assert kernel("%state", "%state leave x", GOLEM_LAUNCHER_NO_STATE="Not here.") == ["Not here.", "Not here."]


def _state(directory, **variables):
    return save(ChunkFiles(str(directory)), variables, {}, limits=Limits(1 << 30, 60.0))


def _again(directory):
    namespace = {}
    return namespace, restore(ChunkFiles(str(directory)), namespace, str(directory))


def test_equal_variables_write_nothing(tmp_path):
    _state(tmp_path, a=[1], b=bytes(10_000))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    _state(tmp_path, a=[1], b=bytes(10_000))
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}


def test_a_compiled_function_comes_back_where_none_was_loaded_yet(tmp_path):
    """Cython makes the module of their kind when it loads the first one: it is no library that could be imported."""
    kind = type("cython_function_or_method", (), {"__module__": "_cython_9_9", "__reduce__": lambda _: "capwords"})
    compiled = kind()
    compiled.__module__ = "string"
    files, back = ChunkFiles(str(tmp_path / "state")), {}
    vars_ = {"compiled": compiled}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(string, "capwords", compiled)
        manifest = save(files, vars_, {}, limits=Limits(1000, 1000))
    assert not manifest["lost"]
    assert restore(files, back, str(tmp_path)).fates["compiled"].what == SAVED
    assert back["compiled"] is string.capwords


def test_a_state_that_is_not_whole_gives_the_one_before(tmp_path):
    _state(tmp_path, a=os.urandom(3 * CHUNK))
    first = set((tmp_path / "chunks").iterdir())
    newest = os.urandom(3 * CHUNK)
    _state(tmp_path, a=newest, b=1)
    lost = min(set((tmp_path / "chunks").iterdir()) - first)
    lost.rename(tmp_path / "away")
    namespace, found = _again(tmp_path)
    assert len(namespace["a"]) == 3 * CHUNK
    assert namespace["a"] != newest
    assert found.fates["a"].what == SAVED
    (tmp_path / "away").rename(lost)
    assert _again(tmp_path)[0]["a"] == newest
    lost.write_bytes(b"something else")
    namespace, found = _again(tmp_path)
    assert namespace == {"b": 1}
    assert found.fates["a"] == (LOST, "it was not saved whole", 0)


def test_what_no_state_needs_is_removed(tmp_path):
    tmp_path.joinpath("state-7.json.123").write_text("of who was ended meanwhile")
    for _ in range(5):
        _state(tmp_path, a=os.urandom(2 * CHUNK))
    assert len(list(tmp_path.glob("state-*"))) == 2
    assert len(list((tmp_path / "chunks").iterdir())) == 6


@pytest.mark.parametrize(
    "manifest",
    ["", "[]", "null", "{}", '{"lost": 3}', "[" * 100_000, '{"lost": {}, "directory": 1, "groups": 3}'],
)
def test_a_manifest_that_is_none_breaks_nothing(tmp_path, manifest):
    (tmp_path / "state-1.json").write_text(manifest)
    namespace, _ = _again(tmp_path)
    assert namespace == {}


@pytest.mark.parametrize("how", ["buffers", "stream", "sizes"])
def test_a_state_that_would_take_all_memory_is_not_loaded(tmp_path, how):
    """It names one chunk of a megabyte a hundred thousand times, or says that it is larger than any memory."""
    _state(tmp_path, a=1)
    chunk = ChunkFiles(str(tmp_path)).put(bytes(CHUNK))
    manifest = json.loads((tmp_path / "state-1.json").read_text())
    bomb = {"names": ["bomb"], "libraries": [], "size": 1, "buffers": [], "small": manifest["groups"][0]["small"]}
    if how == "stream":
        del bomb["small"]
        bomb["stream"] = [chunk] * 100_000
    else:
        bomb["buffers"] = [[CHUNK * 1000, [chunk] * 1000]] * 100 if how == "buffers" else [[1 << 60, [chunk]]]
    manifest["groups"].append(bomb)
    (tmp_path / "state-2.json").write_text(json.dumps(manifest))
    namespace, found = _again(tmp_path)
    assert namespace == {"a": 1}
    assert found.fates["bomb"] == (LOST, "it would be larger than any state", 0)


@pytest.mark.parametrize(
    ("lie", "why"),
    [
        ({"names": ["other"]}, "KeyError: 'other'"),
        ({"buffers": [[5, []]]}, "its parts don't fit"),
        ({"buffers": [[5, ["0" * 40]]]}, "it was not saved whole"),
        ({"stream": ["../../../../etc/passwd"]}, "the rest of the state is damaged"),
        ({"small": "no base64"}, "Error"),
        ({"small": base64.b64encode(b"no pickle").decode()}, "UnpicklingError"),
    ],
)
def test_a_state_that_lies_loses_what_it_lies_about(tmp_path, lie, why):
    _state(tmp_path, a=1)
    manifest = json.loads((tmp_path / "state-1.json").read_text())
    (group,) = manifest["groups"]
    if "stream" in lie:
        del group["small"]
    manifest["groups"] = [group | lie]
    (tmp_path / "state-1.json").write_text(json.dumps(manifest))
    namespace, found = _again(tmp_path)
    assert "a" not in namespace
    assert found is None or [fate.what for fate in found.fates.values()] == [LOST]
    assert found is None or why in next(iter(found.fates.values())).why


def test_who_is_killed_while_writing_leaves_a_whole_state(tmp_path):
    """Whatever the moment, what is there is the last state that was written, or the one before."""
    _state(tmp_path, n=-1, big=b"-1" * CHUNK)
    for pause in range(12):
        writer = os.fork()
        if writer == 0:
            for n in range(1000):
                _state(tmp_path, n=n, big=str(n).encode() * CHUNK)
            os._exit(0)
        threading.Event().wait(0.007 * pause)
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
        namespace, found = _again(tmp_path)
        assert {fate.what for fate in found.fates.values()} == {SAVED}
        assert namespace["big"] == str(namespace["n"]).encode() * CHUNK
    _state(tmp_path, n=1)
    assert [path.name for path in (tmp_path / "chunks").iterdir() if "." in path.name] == []


def test_who_interrupts_what_comes_back_loses_that_alone(processes):
    processes.run(
        'cell("class Slow:\\n    def __setstate__(self, state): raise KeyboardInterrupt")\n'
        'cell("slow = Slow(); slow.x = 1; other = [1]")\nsave()'
    )
    fates = processes.run("print(json.dumps(load()))")
    assert fates["slow"] == [LOST, "it was interrupted as it came back"]
    assert fates["other"] == [SAVED, ""]


def test_variables_that_share_are_together():
    shared, many = [1], list(range(300_000))
    found = shared_objects.groups(
        {"a": shared, "b": {"x": shared}, "c": 5, "d": [2], "e": shared, "f": many, "g": [many]}
    )
    assert found == [["a", "b", "e"], ["c"], ["d"], ["f", "g"]]


def test_a_definition_holds_as_long_as_its_name_has_its_value():
    known, namespace = Definitions(), {"__name__": "__main__"}

    def cell(source):
        exec(source, namespace)
        known.hear(source, namespace)

    cell("def f(): return 1\ng = lambda: 2")
    cell("def f(): return 3  # newer")
    assert known.current(namespace) == {"g": "g = lambda: 2\n", "f": "def f(): return 3  # newer\n"}
    cell("f = 1")
    assert known.current(namespace) == {"g": "g = lambda: 2\n"}
    cell("del g")
    assert known.current(namespace) == {}
    known.hear("this is ! no Python", namespace)
    known.hear("(" * 5000, namespace)


_PLAIN = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary())
_VALUES = st.recursive(
    _PLAIN,
    lambda inner: st.one_of(
        st.lists(inner), st.dictionaries(st.text(), inner), st.tuples(inner, inner), st.frozensets(_PLAIN)
    ),
    max_leaves=20,
)


@given(variables=st.dictionaries(st.from_regex(r"[a-z]{1,4}", fullmatch=True), _VALUES, max_size=8), shared=_VALUES)
@settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_values_come_back_equal_and_share_what_they_shared(tmp_path, variables, shared):
    shutil.rmtree(tmp_path / "state", ignore_errors=True)
    holder = [shared]
    variables = {**variables, "one_": [holder], "two_": {"x": holder}}
    assert _state(tmp_path / "state", **variables)["lost"] == {}
    namespace, _ = _again(tmp_path / "state")
    assert namespace == variables
    assert namespace["one_"][0] is namespace["two_"]["x"]
