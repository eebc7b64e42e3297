"""The program ``nvidia-smi`` of sessions whose provider pretends to have GPUs, as that of driver 550 answers.

Run over there, as a script that ends with a call of :func:`main`; imports nothing of ours. A field that it does not
know and a form that it does not have are errors, in the words and with the exit codes of the real one. Its GPUs are
idle.
"""

import sys
from xml.sax.saxutils import escape

DRIVER = "550.54.14"
_CUDA = "12.4"
_INVALID = "Invalid combination of input arguments. Please run 'nvidia-smi -h' for help."
_MIB = 1024

_GPU = """\t<gpu id="00000000:{number:02X}:00.0">
\t\t<product_name>{model}</product_name>
\t\t<product_brand>NVIDIA</product_brand>
\t\t<display_active>Disabled</display_active>
\t\t<uuid>{uuid}</uuid>
\t\t<minor_number>{number}</minor_number>
\t\t<fan_speed>N/A</fan_speed>
\t\t<performance_state>P8</performance_state>
\t\t<fb_memory_usage>
\t\t\t<total>{memory} MiB</total>
\t\t\t<reserved>0 MiB</reserved>
\t\t\t<used>0 MiB</used>
\t\t\t<free>{memory} MiB</free>
\t\t</fb_memory_usage>
\t\t<compute_mode>Default</compute_mode>
\t\t<utilization>
\t\t\t<gpu_util>0 %</gpu_util>
\t\t\t<memory_util>0 %</memory_util>
\t\t</utilization>
\t\t<temperature>
\t\t\t<gpu_temp>33 C</gpu_temp>
\t\t\t<gpu_temp_max_threshold>N/A</gpu_temp_max_threshold>
\t\t</temperature>
\t\t<gpu_power_readings>
\t\t\t<power_state>P8</power_state>
\t\t\t<power_draw>16.80 W</power_draw>
\t\t\t<current_power_limit>72.00 W</current_power_limit>
\t\t</gpu_power_readings>
\t\t<processes>
\t\t</processes>
\t</gpu>
"""
_REPORT = """<?xml version="1.0" ?>
<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd">
<nvidia_smi_log>
\t<timestamp>Tue Dec  1 12:00:00 2026</timestamp>
\t<driver_version>{driver}</driver_version>
\t<cuda_version>{cuda}</cuda_version>
\t<attached_gpus>{count}</attached_gpus>
{gpus}</nvidia_smi_log>
"""


def main(arguments: list[str], gpus: list[tuple[str, float, str]]) -> int:
    """Print what is asked for: the exit code. ``gpus``: model, memory in GiB and compute capability of each."""
    given = dict(word.partition("=")[::2] for word in arguments)
    if not gpus:
        return _end("No devices were found", 6)
    if given.keys() == {"-q", "-x"}:
        made = [
            _GPU.format(number=n, model=escape(model), uuid=_uuid(n), memory=round(memory * _MIB))
            for n, (model, memory, _) in enumerate(gpus)
        ]
        sys.stdout.write(_REPORT.format(driver=DRIVER, cuda=_CUDA, count=len(gpus), gpus="".join(made)))
        return 0
    if given.keys() == {"-L"}:
        return _end("\n".join(f"GPU {n}: {model} (UUID: {_uuid(n)})" for n, (model, *_) in enumerate(gpus)), 0)
    if given.keys() == {"--query-gpu", "--format"}:
        return _table(given["--query-gpu"].split(","), given["--format"].split(","), gpus)
    return _end(_INVALID, 1)


def _table(fields: list[str], shape: list[str], gpus: list[tuple[str, float, str]]) -> int:
    if shape[0] != "csv" or not {"noheader", "nounits"}.issuperset(shape[1:]):
        return _end(_INVALID, 1)
    known = [_values(n, *gpu) for n, gpu in enumerate(gpus)]
    for field in fields:
        if field not in known[0]:
            return _end(f'Field "{field}" is not a valid field to query.\n', 2)
    rows = []
    if "noheader" not in shape:
        rows.append(", ".join(" ".join(filter(None, (field, _in(known[0][field][1])))) for field in fields))
    shown = slice(1 if "nounits" in shape else 2)
    rows += [", ".join(" ".join(filter(None, one[field][shown])) for field in fields) for one in known]
    return _end("\n".join(rows), 0)


def _values(number: int, model: str, memory: float, capability: str) -> dict[str, tuple[str, str]]:
    """What can be asked of a GPU, each with its unit."""
    return {
        "index": (str(number), ""),
        "name": (model, ""),
        "uuid": (_uuid(number), ""),
        "driver_version": (DRIVER, ""),
        "compute_cap": (capability or "[N/A]", ""),
        "memory.total": (f"{memory * _MIB:.0f}", "MiB"),
        "memory.used": ("0", "MiB"),
        "utilization.gpu": ("0", "%"),
        "temperature.gpu": ("33", ""),
        "power.draw": ("16.80", "W"),
        "power.limit": ("72.00", "W"),
    }


def _in(unit: str) -> str:
    return f"[{unit}]" if unit else ""


def _uuid(number: int) -> str:
    return f"GPU-{number:08x}-0000-0000-0000-000000000000"


def _end(words: str, code: int) -> int:
    sys.stdout.write(f"{words}\n")
    return code
