"""The first program of a sandbox: reports that all is mounted, and waits for the end of its input.

Golem's VM has an init of its own and needs nothing of an image, which may have no shell, and no C library either. So
this one needs nothing but the kernel: 13 instructions, for x86-64, as yagna is. bubblewrap starts it by a descriptor.
"""

from __future__ import annotations

import struct

READY = b"sandbox ready"

_ADDRESS = 0x400000
_HEADERS = 64 + 56
_SAYS = b"".join(
    (
        b"\xb8\1\0\0\0",  # mov eax, 1: write
        b"\xbf\1\0\0\0",  # mov edi, 1
        b"\x48\x8d\x35" + struct.pack("<i", 30),  # lea rsi, [rip + 30]: what lies behind the last instruction
        b"\xba" + struct.pack("<I", len(READY)),  # mov edx, its length
        b"\x0f\5",  # syscall
        b"\x31\xc0",  # xor eax, eax: read
        b"\x31\xff",  # xor edi, edi
        b"\x48\x89\xe6",  # mov rsi, rsp
        b"\xba\1\0\0\0",  # mov edx, 1
        b"\x0f\5",  # syscall
        b"\xb8\x3c\0\0\0",  # mov eax, 60: exit
        b"\x31\xff",  # xor edi, edi
        b"\x0f\5",  # syscall
    )
)
_SIZE = _HEADERS + len(_SAYS) + len(READY)
PROGRAM = b"".join(
    (
        # An ELF file of one segment, which is all of it: type 2 (a program), machine 62 (x86-64).
        struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 62, 1, _ADDRESS + _HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0),
        struct.pack("<IIQQQQQQ", 1, 5, 0, _ADDRESS, _ADDRESS, _SIZE, _SIZE, 0x1000),
        _SAYS,
        READY,
    )
)
