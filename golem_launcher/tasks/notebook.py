"""What a provider does for one notebook of a sweep: this function travels as its source, see function_source.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_SCRAP = "application/scrapbook.scrap.json+json"
_MOST_SCRAPS = 200
_LONGEST_SCRAP = 4000


def execute_notebook(notebook: Path, name: str, parameters: dict[str, Any], kernel: str) -> dict[str, Any]:
    """Execute ``notebook`` with ``parameters`` as papermill does, into a file ``name``; what became of it."""
    import papermill  # noqa: PLC0415 - it is installed over there
    from jupyter_client.kernelspec import NoSuchKernel  # noqa: PLC0415 - likewise
    from papermill.exceptions import PapermillExecutionError  # noqa: PLC0415 - likewise

    target = Path(name)

    metadata = json.loads(notebook.read_text()).get("metadata", {})
    spec = metadata.get("kernelspec", {})
    language = None if metadata.get("language_info", {}).get("name") or spec.get("language") else "python"

    def execute(kernel_name: str | None) -> str:
        try:
            papermill.execute_notebook(
                str(notebook),
                str(target),
                parameters=parameters,
                kernel_name=kernel_name,
                language=language,
                progress_bar=False,
            )
        except PapermillExecutionError as error:
            return f"{error.ename}: {error.evalue}"
        return ""

    try:
        failed = execute(kernel or (None if spec.get("name") else "python3"))
    except NoSuchKernel:
        if kernel:
            raise
        failed = execute("python3")  # the notebook names one of the computer that it was written on
    return {"error": failed[:_LONGEST_SCRAP], "scraps": scraps_of(target), "notebook": target}


def scraps_of(notebook: Path) -> dict[str, Any]:
    """What a notebook glued: the plain values among its scraps, by name."""
    found: dict[str, Any] = {}
    for cell in json.loads(notebook.read_text()).get("cells", []):
        for output in cell.get("outputs", []):
            scrap = output.get("data", {}).get(_SCRAP)
            if isinstance(scrap, dict) and len(found) < _MOST_SCRAPS:
                value = scrap.get("data")
                text = json.dumps(value)
                found[str(scrap.get("name"))] = value if len(text) <= _LONGEST_SCRAP else text[:_LONGEST_SCRAP]
    return found
