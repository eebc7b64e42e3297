"""Renders one frame of a small scene, a ball that rolls over a board, as a PNG: ``python3 render.py FRAME``.

It stands for Blender, and needs no more than Python: the same bytes on every machine.
"""

import struct
import sys
import zlib
from pathlib import Path

WIDTH, HEIGHT, FRAMES = 160, 120, 60


def shade(x: int, y: int, centre: int) -> int:
    """A pixel's grey, in whole numbers: they are the same everywhere."""
    dx, dy = x - centre, y - 70
    inside = 900 - dx * dx - dy * dy
    if inside > 0:
        return min(255, 60 + inside // 6 + max(0, -dx - dy))
    return 200 if (x // 20 + y // 20) % 2 else 120


def png(rows: list[list[int]]) -> bytes:
    """An image of greys."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


frame = int(sys.argv[1])
centre = 30 + (WIDTH - 60) * frame // FRAMES
picture = png([[shade(x, y, centre) for x in range(WIDTH)] for y in range(HEIGHT)])
Path(f"out{frame:04}.png").write_bytes(picture)
sys.stdout.write(f"frame {frame} is rendered\n")
