"""Frames of a real scene, rendered by Debian's Blender on three providers, asked for as yapapi's first example did.

Optional: Blender is a gibibyte. ``GOLEM_LAUNCHER_BLENDER=DIRECTORY`` has pytest make the image
there, once, by mmdebstrap.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from golem_launcher.localnet.runtime.sandbox_runtime import why_no_sandbox
from tests.localnet.conftest import THREE, network_of
from tests.localnet.test_run import PROGRAMS, RUN
from tests.networks import at_home
from tests.patience import slower

if TYPE_CHECKING:
    from collections.abc import Iterator

    from golem_launcher.localnet import network

_KEPT = os.environ.get("GOLEM_LAUNCHER_BLENDER", "")
_FRAMES = range(0, 60, 10)
_IMAGE = """
[images."9a3b5d67b0b27746283cb5f287c13eab1beaa12d92a9f536b747c7ae"]
path = "{root}"
volumes = ["/golem/work", "/golem/output", "/golem/resource"]
"""
_ENTRYPOINT = "#!/bin/sh\nexec /usr/bin/python3 /golem/entrypoints/render_entrypoint.py\n"
# Blender's own first scene, a cube, which turns once in 60 frames.
_SCENE = """
import bpy, math
cube = bpy.data.objects["Cube"]
for frame, angle in ((0, 0), (60, math.pi / 2)):
    cube.rotation_euler = (angle, 0, angle)
    cube.keyframe_insert("rotation_euler", frame=frame)
bpy.ops.wm.save_as_mainfile(filepath="/tmp/cubes.blend")
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not _KEPT, reason="GOLEM_LAUNCHER_BLENDER is not set: Blender's image is a gibibyte"),
    pytest.mark.skipif(bool(why_no_sandbox()), reason="no sandbox here"),
]


@pytest.fixture(scope="module")
def blender() -> Path:
    """A root with Debian's Blender, and the entrypoint that Golem's image of it has."""
    root = Path(_KEPT).resolve() / "blender"
    if not root.exists():
        made = root.with_name("blender.new")
        subprocess.run(
            ["mmdebstrap", "--quiet", "--variant=minbase", "--dpkgopt=force-unsafe-io", "--include=blender,python3",
             "bookworm", str(made)],
            check=True, timeout=1500 * slower(),
        )  # fmt: skip
        entrypoints = made / "golem" / "entrypoints"
        entrypoints.mkdir(parents=True)
        shutil.copy(PROGRAMS.parents[2] / "examples" / "yapapi" / "render_entrypoint.py", entrypoints)
        (entrypoints / "run-blender.sh").write_text(_ENTRYPOINT)
        (entrypoints / "run-blender.sh").chmod(0o755)
        made.rename(root)
    return root


@pytest.fixture
def scene(blender: Path, tmp_path: Path) -> Path:
    """A scene that Blender itself made."""
    shared = [word for name in ("proc", "dev") for word in (f"--{name}", f"/{name}")]
    subprocess.run(
        ["bwrap", "--bind", str(blender), "/", *shared, "--bind", str(tmp_path), "/tmp", "--setenv", "HOME", "/tmp",
         "/usr/bin/blender", "--background", "--python-exit-code", "1", "--python-expr", _SCENE],
        check=True, timeout=300 * slower(), capture_output=True,
    )  # fmt: skip
    return tmp_path / "cubes.blend"


@pytest.fixture
def farm(blender: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[network.LocalNetwork]:
    home = tmp_path_factory.mktemp("farm")
    described = _IMAGE.format(root=blender) + "[[provider]]"
    with network_of(home, THREE.replace("[[provider]]", described, 1)) as up, at_home(home):
        yield up


def test_a_scene_is_rendered_frame_by_frame(farm: network.LocalNetwork, scene: Path) -> None:
    assert farm.providers
    words = [*RUN, sys.executable, "-W", "ignore", str(PROGRAMS / "blender_frames.py")]
    ended = subprocess.run(
        words, cwd=scene.parent, capture_output=True, text=True, timeout=1500 * slower(), check=False
    )
    assert ended.returncode == 0, ended.stderr
    seen = json.loads(ended.stdout.splitlines()[-1])
    assert sorted(map(int, seen)) == list(_FRAMES)
    pictures = {(scene.parent / name).read_bytes() for name in seen.values()}
    assert len(pictures) == len(_FRAMES)  # the cube turns
    for picture in pictures:
        assert picture.startswith(b"\x89PNG\r\n\x1a\n")
        assert (int.from_bytes(picture[16:20], "big"), int.from_bytes(picture[20:24], "big")) == (80, 60)
