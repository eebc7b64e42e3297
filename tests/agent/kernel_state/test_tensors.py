"""PyTorch's tensors, on GPUs and off: by a stand-in that is as strict after a fork, and PyTorch itself where it is."""

import importlib.util
from pathlib import Path

import pytest

_STAND_IN = Path(__file__).parent / "pytorch"
_FORKED = """
import os, time
from golem_launcher_agent.kernel_state import forked, gpu_copies
def copies_of_all(most=1 << 30):
    mine = [value for name, value in globals().items() if name not in hidden and name[0] != "_"]
    return gpu_copies.GpuCopies(mine, [globals()], most)
def keep(copies=None):
    copies, began = copies or copies_of_all(), time.monotonic()
    while not copies.go_on(0.02):
        time.sleep(0.001)
    def write(begins):
        return save(on_gpu=copies.of, begins=begins)
    saving = forked.ForkedSave(write)
    while not saving.has_ended():
        time.sleep(0.01)
    assert saving.answer, saving.why
    return saving.answer
hidden = set(globals())
"""
_MODEL = """
cell("import torch")
cell("device = torch.device('cuda', 1)")
cell('''
class Model:
    def __init__(self):
        self.weight = torch.Parameter(torch.full(300_000, 2, device=device))
        self.bias = torch.Parameter(torch.full(4, 1, device=device))
        self.tied = [self.weight]
class Momentum:
    def __init__(self, parameters):
        self.state = {each: torch.full(each._size, 0.5, device=each.device) for each in parameters}
    def step(self):
        for parameter, momentum in self.state.items():
            parameter.add_(momentum.tolist()[0])
''')
cell("model = Model(); optimizer = Momentum([model.weight, model.bias])")
cell("view = model.weight[2:5]; here = torch.full(3, 7, device=torch.device('cpu')); part = here[1:]")
cell("none = torch.empty(0, dtype=torch.float32, device=device)")
"""
_LOOK = """
fates = load()
optimizer.step()
model.bias.add_(1); here.add_(1)
print(json.dumps([
    [name for name, (what, _) in fates.items() if what == "lost"], str(device), str(model.weight.device),
    str(view.device), str(here.device), view.tolist(), model.bias.tolist(), part.tolist(), none.tolist(),
    model.tied[0] is model.weight, list(optimizer.state) == [model.weight, model.bias], model.weight.requires_grad,
]))
"""


@pytest.fixture
def gpus(monkeypatch):
    """A function that says how many GPUs the stand-in has from now on."""
    monkeypatch.setenv("PYTHONPATH", str(_STAND_IN))
    return lambda count: monkeypatch.setenv("STAND_IN_GPUS", str(count))


@pytest.mark.parametrize(("there", "device"), [(0, "cpu"), (1, "cuda:0"), (2, "cuda:1")])
def test_a_model_on_a_gpu_comes_back_on_what_there_is(processes, gpus, there, device):
    """With its optimizer and a view of its memory, which share what they shared; each storage is copied once."""
    gpus(2)
    lost, copied = processes.run(
        _FORKED + _MODEL + "kept = keep(); print(json.dumps([kept['lost'], torch.cuda.copied]))"
    )
    assert lost == {}
    assert copied == 2 * 4 * (300_000 + 4)
    gpus(there)
    assert processes.run(_LOOK) == [
        [], device, device, device, "cpu", [2.5] * 3, [2.5] * 4, [8, 8], [], True, True, True,
    ]  # fmt: skip


def test_what_lies_on_a_gpu_is_beside_the_pickle_and_a_small_change_of_it_is_one_chunk(processes, gpus):
    gpus(1)
    script = _FORKED + "cell(\"import torch; big = torch.full(4_000_000, 1, device=torch.device('cuda'))\")\n"
    processes.run(script + "keep()")
    first = set((processes.state / "chunks").iterdir())
    processes.run(script + "cell('big[5:6].add_(1)')\nkeep()")
    assert len(set((processes.state / "chunks").iterdir()) - first) == 1


def test_what_is_not_copied_is_lost_by_name_and_costs_nobody_else(processes, gpus):
    gpus(1)
    script = _FORKED + "cell(\"import torch; gpu = torch.device('cuda'); n = 1\")\n"
    script += 'cell("small = torch.full(10, 1, device=gpu); large = torch.full(1000, 1, device=gpu)")\n'
    assert processes.run(script + "print(json.dumps(keep(copies_of_all(1024))['lost']))") == {
        "large": "all variables together may take 1 KiB"
    }
    assert processes.run(script + "torch.cuda.busy = 10**9\nprint(json.dumps(keep()['lost']))") == dict.fromkeys(
        ["small", "large"], "it is too large to copy from the GPU within 2 s"
    )
    # At the end of a long cell, say, when the next one waits.
    unfinished = "torch.cuda.busy = 9\n_copies = copies_of_all(); _went = _copies.go_on(0.02)\n"
    unfinished += 'print(json.dumps([_went, save(on_gpu=_copies.of)["lost"], keep(_copies)["lost"]]))'
    went, lost, afterwards = processes.run(script + unfinished)
    assert not went
    assert lost == dict.fromkeys(
        ["small", "large"], "it is in the memory of a GPU, and is copied from there once no cell waits"
    )
    assert afterwards == {}
    broken = "os.environ['STAND_IN_GPUS'] = '0'\nprint(json.dumps(keep()['lost']))"
    assert processes.run(script + broken) == dict.fromkeys(
        ["small", "large"], "it can't be copied from the GPU: No CUDA GPUs are available"
    )
    assert processes.run("print(json.dumps(load()))")["n"] == ["saved", ""]


def test_where_no_gpu_is_in_use_nothing_is_looked_at(processes, gpus):
    """PyTorch may be there, and a variable that would take its time."""
    gpus(1)
    endless = 'cell("many = [[n] for n in range(10**6)]")\n'
    for first in ("", "cell(\"import torch; here = torch.full(3, 1, device=torch.device('cpu'))\")\n"):
        assert processes.run(_FORKED + first + endless + "print(json.dumps(copies_of_all().go_on(0.0)))") is True


def test_a_kernel_keeps_what_is_on_its_gpu_once_that_is_done_with_its_cell(kernel, gpus, tmp_path):
    gpus(1)
    cell = "import torch; w = torch.full(3, 1, device=torch.device('cuda')); torch.cuda.busy = 20; until = 'w'"
    _, table = kernel(cell, "%state")
    assert "w      saved" in table
    gpus(0)
    (tmp_path / "ticket").write_text(str(tmp_path / "state"))
    told = {"GOLEM_LAUNCHER_STATE": str(tmp_path / "own"), "GOLEM_LAUNCHER_STATE_TICKET": str(tmp_path / "ticket")}
    (said,) = kernel("print(w.tolist(), w.device)", **told)
    assert said.endswith("[1.0, 1.0, 1.0] cpu")


_REAL = """
cell("import torch, warnings; device = torch.device('cpu')")
cell("model = torch.nn.Sequential(torch.nn.Linear(500, 400), torch.nn.ReLU(), torch.nn.Linear(400, 2))")
cell("optimizer = torch.optim.Adam(model.parameters()); x = torch.ones(8, 500)")
cell("model(x).sum().backward(); optimizer.step()")
cell("view = model[0].weight.data[3:5]; odd = [torch.arange(5, dtype=torch.int16)[1:], torch.eye(3).to_sparse()]")
cell("whole = torch.zeros(40_000); halves = whole.split(20_000); scalar = torch.tensor(2.5, dtype=torch.bfloat16)")
"""
_REAL_LOOK = """
fates = load()
before = model[0].weight.detach().clone()
optimizer.zero_grad(); model(x).sum().backward(); optimizer.step()
whole.add_(1)
print(json.dumps([
    [name for name, (what, _) in fates.items() if what == "lost"],
    bool((model[0].weight != before).any()), bool((view == model[0].weight[3:5]).all()), float(halves[1].sum()),
    odd[0].tolist(), odd[1].to_dense().tolist()[2], float(scalar), optimizer.state_dict()["state"][0]["step"].item(),
]))
"""


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="there is no PyTorch")
def test_pytorchs_own_tensors_share_what_they_shared(processes):
    assert processes.run(_REAL + "print(json.dumps(save()['lost']))") == {}
    assert processes.run(_REAL_LOOK) == [[], True, True, 20_000, [1, 2, 3, 4], [0, 0, 1], 2.5, 2]
