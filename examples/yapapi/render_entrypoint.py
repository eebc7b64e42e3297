"""Renders what ``/golem/work/params.json`` asks for, as the entrypoint in Golem's Blender image does."""

import json
import os
import subprocess
from pathlib import Path

SETTINGS = """
import bpy
scene = bpy.context.scene
scene.render.engine = "CYCLES"
scene.cycles.device = "CPU"
scene.cycles.samples = {samples}
scene.cycles.use_denoising = False  # Debian's Blender has no denoiser, and stops where a scene asks for one
scene.render.resolution_x, scene.render.resolution_y = {resolution}
scene.render.resolution_percentage = 100
scene.render.use_compositing = {use_compositing}
scene.render.image_settings.file_format = "{output_format}"
scene.render.use_border = scene.render.use_crop_to_border = True
scene.render.border_min_x, scene.render.border_max_x = {borders_x}
scene.render.border_min_y, scene.render.border_max_y = {borders_y}
"""

params = json.loads(Path("/golem/work/params.json").read_text())
for crop in params["crops"]:
    output = Path(params["OUTPUT_DIR"], crop["outfilebasename"] + "####")
    argv = ["/usr/bin/blender", "--background", params["scene_file"], "--python-exit-code", "1"]
    argv += ["--python-expr", SETTINGS.format(**{**params, **crop}), "--render-output", str(output)]
    for frame in params["frames"]:
        argv += ["--render-frame", str(frame)]
    subprocess.run(argv, check=True, env={**os.environ, "HOME": "/tmp"})
