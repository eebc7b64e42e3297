"""The choices of software beside JupyterLab: packages on `local`, images elsewhere."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Software:
    """One choice. Its image has ``packages`` in it; on `local` they are installed into the session's environment."""

    name: str
    title: str
    sentence: str
    """What a newcomer gets, in one plain sentence."""
    packages: tuple[str, ...]
    """Requirements (PEP 508) that make it what it is, without their dependencies."""
    gpu: bool = False
    """Whether it is of use only with a GPU."""


_SCIENCE = ("numpy", "pandas", "scipy", "scikit-learn", "matplotlib", "ipywidgets", "ipympl")

DASK = ("dask==2026.8.0", "distributed==2026.8.0", "bokeh==3.9.2")
"""What each machine of a session with a Dask cluster has; bokeh draws its dashboard. The same everywhere: scheduler,
workers and notebooks of different versions do not understand each other."""

SOFTWARE: dict[str, Software] = {
    choice.name: choice
    for choice in (
        Software("sklearn", "Data science", "NumPy, pandas, SciPy, scikit-learn, Matplotlib, and widgets.", _SCIENCE),
        Software("base", "Base", "JupyterLab, Python and git; add what you need.", ()),
        Software("tensorflow", "TensorFlow", "TensorFlow for the processor, with NumPy and pandas.",
                 ("tensorflow-cpu", "numpy", "pandas", "matplotlib")),
        Software("pytorch", "PyTorch", "PyTorch with NumPy and pandas; installed as it starts, on 12 GiB of disk.",
                 ("torch", "numpy", "pandas", "matplotlib")),
        Software("gpu", "PyTorch on a GPU", "PyTorch with CUDA; takes machines that have a GPU.",
                 ("torch", "numpy", "pandas", "matplotlib"), gpu=True),
    )
}  # fmt: skip

USUAL, SMALLEST = "sklearn", "base"
"""What sessions of JupyterLab have where nothing is asked for, and all others."""
