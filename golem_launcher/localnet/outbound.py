"""Judges manifests that ask for the internet, by the rules that yagna's providers come with."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from golem_launcher import outbound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from golem_launcher.localnet.spec import Outbound
    from golem_launcher.outbound import OutboundRules


def refusal(rules: Outbound | None, demand: Mapping[str, Any], requestor_id: str) -> str:
    """Why a demand's manifest is not granted; empty when it is. One rule of three is enough, as at any provider.

    Everybody may reach what is on the whitelist; who signs with a trusted certificate, or has a node descriptor of a
    partner's, what that permits.
    """
    manifest = demand.get(outbound.PROPERTY)
    if rules is None or manifest is None:
        return ""
    try:
        asked = outbound.granted(str(manifest))[1]
    except ValueError as error:
        return str(error)
    beyond = "everything" if asked.unrestricted else ", ".join(sorted(asked.hosts - set(rules.whitelist)))
    if not beyond:
        return ""
    reasons = [f"{beyond} is not on the whitelist"]
    for rule in (_audited_payload, _partner):
        try:
            rule(rules, demand, requestor_id, asked)
        except ValueError as error:
            reasons.append(str(error))
        else:
            return ""
    return f"Outbound rejected because: {'; '.join(reasons)}."


def looks_up_names(manifest: str) -> bool:
    """Whether the provider must look up names for a manifest: for one that lists addresses, also when it lists none."""
    net = (_json(manifest).get("compManifest") or {}).get("net") or {}
    out = (net.get("inet") or {}).get("out")
    return out is not None and not (out.get("unrestricted") or {}).get("urls")


def _json(manifest: str) -> dict[str, Any]:
    return dict(json.loads(base64.b64decode(manifest)))


def _audited_payload(rules: Outbound, demand: Mapping[str, Any], _requestor_id: str, _asked: OutboundRules) -> None:
    from golem_launcher import permits  # noqa: PLC0415 - cryptography, for the few who need it

    permits.signed_by(demand, permits.certificates(rules.certificates), datetime.now(UTC))


def _partner(rules: Outbound, demand: Mapping[str, Any], requestor_id: str, asked: OutboundRules) -> None:
    from golem_launcher import permits  # noqa: PLC0415 - likewise

    descriptor = _document(demand, outbound.NODE_DESCRIPTOR_PROPERTY)
    if not descriptor:
        raise ValueError("there is no node descriptor")
    if permits.granted_by(descriptor, requestor_id, asked, datetime.now(UTC)) not in rules.partners:
        raise ValueError("the node descriptor's root is no partner")


def _document(demand: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A property that is a JSON object, whole: yagna's market takes it apart into one property for each value."""
    whole: dict[str, Any] = {}
    for key, value in demand.items():
        if key == name and isinstance(value, dict):
            return value
        if key.startswith(f"{name}."):
            *path, last = key[len(name) + 1 :].split(".")
            place = whole
            for part in path:
                place = place.setdefault(part, {})
                if not isinstance(place, dict):
                    return {}
            place[last] = value
    return whole
