"""A network interface inside a sandbox whose other end is ours, made in a fork of an activity's init.

It has joined the sandbox's network, where it may make interfaces without being anybody outside. A pair of virtual
Ethernet devices is made; one is the interface, and every frame on the other passes a raw socket, which is sent over the
control socket: ``{"id"}`` with it, or ``{"id", "error", "errno"}``. Works for any user, and needs no ``/dev/net/tun``.
Standard library alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import ipaddress
import json
import os
import socket
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_NEW_LINK, _NEW_ADDRESS, _NEW_ROUTE = 16, 20, 24
_REQUEST, _ACKNOWLEDGE, _CREATE, _EXCLUSIVE = 0x1, 0x4, 0x400, 0x200
_ERROR = 2
_UP = 1
_LINK_ADDRESS, _LINK_NAME, _LINK_MTU, _LINK_INFO = 1, 3, 4, 18
_INFO_KIND, _INFO_DATA, _VETH_PEER = 1, 2, 1
_ADDRESS, _LOCAL = 1, 2
_OUT, _GATEWAY = 4, 5
_MAIN_TABLE, _BY_HAND, _UNICAST = 254, 3, 1
_ALL_FRAMES = 0x0003
_PEER_MTU = 9000
_BUFFER = 4 << 20
_SIOCETHTOOL = 0x8946
_CHECKSUMS_OFF = 0x17
"""ETHTOOL_STXCSUM: without it frames leave with no checksums, and nobody can read them."""
_OFF = (0x19, 0x1F, 0x25)
"""ETHTOOL_SSG, STSO, SGSO: frames are to leave one by one, as from a card."""


def main(control: socket.socket, wanted: Mapping[str, Any]) -> None:
    """Make the interface that is ``wanted``, as init.py says, and send the other end's socket over ``control``."""
    reply = {"id": wanted["id"]}
    try:
        address, mac = ipaddress.IPv4Interface(wanted["address"]), bytes.fromhex(wanted["mac"])
        made = interface(wanted["name"], address, mac, wanted["mtu"])
        if wanted["gateway"]:
            default_route(wanted["name"], ipaddress.IPv4Address(wanted["gateway"]))
        socket.send_fds(control, [json.dumps(reply).encode()], [made.fileno()])
    except OSError as error:
        code = error.errno or errno.EIO
        control.send(json.dumps({**reply, "error": os.strerror(code), "errno": code}).encode())


def interface(name: str, address: ipaddress.IPv4Interface, mac: bytes, mtu: int) -> socket.socket:
    """Make an interface in this network; a raw socket at the other end of it. Raises ``OSError``."""
    peer = f"{name}-out"
    described = _attribute(_VETH_PEER, _link() + _attribute(_LINK_NAME, peer.encode() + b"\0"))
    kind = _attribute(_INFO_KIND, b"veth\0") + _attribute(_INFO_DATA, described)
    wanted = _attribute(_LINK_NAME, name.encode() + b"\0") + _attribute(_LINK_ADDRESS, mac)
    wanted += _attribute(_LINK_INFO, kind)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        _ask(netlink, _NEW_LINK, _link() + wanted, _CREATE | _EXCLUSIVE)
        inside, outside = socket.if_nametoindex(name), socket.if_nametoindex(peer)
        _offload_nothing(name)
        local = address.ip.packed
        header = struct.pack("=BBBBi", socket.AF_INET, address.network.prefixlen, 0, 0, inside)
        _ask(netlink, _NEW_ADDRESS, header + _attribute(_LOCAL, local) + _attribute(_ADDRESS, local), _CREATE)
        _ask(netlink, _NEW_LINK, _link(outside, up=True) + _attribute(_LINK_MTU, struct.pack("=I", _PEER_MTU)))
        _ask(netlink, _NEW_LINK, _link(inside, up=True) + _attribute(_LINK_MTU, struct.pack("=I", mtu)))
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_FRAMES))
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
    raw.bind((peer, _ALL_FRAMES))
    return raw


def default_route(name: str, gateway: ipaddress.IPv4Address) -> None:
    """Have all that is not on another interface leave by ``gateway``. Raises ``OSError``."""
    header = struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, _MAIN_TABLE, _BY_HAND, 0, _UNICAST, 0)
    out = struct.pack("=I", socket.if_nametoindex(name))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        _ask(netlink, _NEW_ROUTE, header + _attribute(_GATEWAY, gateway.packed) + _attribute(_OUT, out), _CREATE)


def _link(index: int = 0, *, up: bool = False) -> bytes:
    flags = _UP if up else 0
    return struct.pack("=BBHiII", socket.AF_UNSPEC, 0, 0, index, flags, flags)


def _attribute(kind: int, value: bytes) -> bytes:
    length = 4 + len(value)
    return struct.pack("=HH", length, kind) + value + b"\0" * (-length % 4)


def _ask(netlink: socket.socket, kind: int, body: bytes, flags: int = 0) -> None:
    netlink.send(struct.pack("=IHHII", 16 + len(body), kind, _REQUEST | _ACKNOWLEDGE | flags, 1, 0) + body)
    answer = netlink.recv(65536)
    _, answered, *_ = struct.unpack_from("=IHHII", answer)
    (code,) = struct.unpack_from("=i", answer, 16)
    if answered == _ERROR and code:
        raise OSError(-code, os.strerror(-code))


def _offload_nothing(name: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        _switch_off(any_socket, name, _CHECKSUMS_OFF)
        for setting in _OFF:
            with contextlib.suppress(OSError):
                _switch_off(any_socket, name, setting)


def _switch_off(any_socket: socket.socket, name: str, setting: int) -> None:
    value = ctypes.create_string_buffer(struct.pack("=II", setting, 0))
    fcntl.ioctl(any_socket, _SIOCETHTOOL, struct.pack("16sP", name.encode(), ctypes.addressof(value)))
