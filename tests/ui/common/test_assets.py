"""The page's modules, joined into the one that a widget may have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from golem_launcher.ui.common.assets import script

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """Of a widget whose class is in ``widget.py``."""
    (tmp_path / "base.js").write_text("let count = 0;\nexport function next() {\n  count += 1;\n  return count;\n}\n")
    return tmp_path / "widget.py"


def test_each_file_is_in_it_once_behind_what_it_imports(room: Path) -> None:
    room.with_name("a.js").write_text('import { next } from "./base.js";\n\nexport const first = next();\n')
    room.with_name("entry.js").write_text(
        'import { first } from "./a.js";\nimport {\n  next,\n} from "./base.js";\n\nexport default { first, next };\n'
    )

    joined = script(str(room), "entry.js")

    assert re.findall(r"(?m)^const (\w+) = \(\(\) =>", joined) == [
        f"{room.parent.name}_{name}".replace("-", "_") for name in ("base", "a", "entry")
    ]
    assert joined.count("let count = 0;") == 1
    assert joined.count("export ") == 1


@pytest.mark.parametrize(
    "line",
    [
        'import next from "./base.js";',
        'import { next as after } from "./base.js";',
        'import "./base.js";',
        'export { next } from "./base.js";',
        "export let count = 0;",
    ],
)
def test_a_form_that_is_not_joined_is_refused(room: Path, line: str) -> None:
    room.with_name("entry.js").write_text(f"{line}\n\nexport default {{}};\n")

    with pytest.raises(ValueError, match=re.escape("entry.js: ")):
        script(str(room), "entry.js")


def test_files_that_import_each_other_are_refused(room: Path) -> None:
    room.with_name("a.js").write_text('import { b } from "./b.js";\n\nexport const a = b;\n')
    room.with_name("b.js").write_text('import { a } from "./a.js";\n\nexport const b = a;\n')
    room.with_name("entry.js").write_text('import { a } from "./a.js";\n\nexport default { a };\n')

    with pytest.raises(ValueError, match=r"imports itself by way of b\.js"):
        script(str(room), "entry.js")
