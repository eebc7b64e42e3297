"""The commands ``offers``, ``providers`` and ``networks``."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from golem_launcher.cli.options.completion import provider_names
from golem_launcher.cli.options.request import takes_request
from golem_launcher.cli.terminal.command_io import LOOKING, Json, print_json, reports_errors, say, waiting_for
from golem_launcher.cli.terminal.table import show_table
from golem_launcher.networks import NETWORKS, RETIRED
from golem_launcher.suggestions import did_you_mean
from golem_launcher.units import coins, counted, duration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from golem_launcher.market.quote import Quote
    from golem_launcher.market.scan import Offer, ScannedOffers
    from golem_launcher.request import LaunchRequest

_SECONDS_PER_HOUR = 3600
_TOLD = (
    "name", "title", "money", "payment_network", "token", "subnet", "sentence", "gas", "explorer", "least_gas",
    "faucet",
)  # fmt: skip
"""What programs are told of a network."""
_MONEY = {"none": "no money", "test": "play money", "real": "REAL MONEY"}


def add_commands(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.command("offers")(reports_errors(takes_request(offers)))
    app.command("quote")(reports_errors(takes_request(quote)))
    app.command("providers")(reports_errors(providers))
    app.command("networks")(reports_errors(networks))


def offers(
    *,
    words: Annotated[
        list[str] | None, typer.Argument(help="Requirements in short: 'mem>4' 'disk>100' 'cores>2' strategy=random")
    ] = None,
    given: dict[str, Any],
    everything: Annotated[bool, typer.Option("--all", help="List machines that do not fit, too, with why.")] = False,
    json: Json = False,
) -> None:
    """Show which machines on the market fit, and what they cost; exit code 1 when none fits.

    Examples:
    golem-launcher offers
    golem-launcher offers --network polygon --cpus 4 --mem 8 --hours 3
    golem-launcher offers 'mem>4' 'cores>2' --all
    """
    from golem_launcher.market.requirement_shorthand import read_words
    from golem_launcher.request import parse_request
    from golem_launcher.session.preparation import offer_scan
    from golem_launcher.session.preparation.image_and_packages import upload_of

    request = parse_request({**read_words(words or ()), **given})
    upload = upload_of(request)
    with waiting_for(LOOKING):
        found = offer_scan.scan(request)
    if json:
        print_json({**_as_json(found), "upload": upload.to_json() if upload is not None else None})
    else:
        _show(found, request, everything=everything)
        if upload is not None:
            say(upload.words)
    if not found.fitting:
        raise typer.Exit(1)


def quote(
    *,
    words: Annotated[
        list[str] | None, typer.Argument(help="Requirements in short: 'mem>4' 'disk>100' 'cores>2' strategy=random")
    ] = None,
    given: dict[str, Any],
    json: Json = False,
) -> None:
    """Say what a request would cost by the offers of now, and how long its budget lasts; nothing is paid.

    Exit code 1 when it can't be had: too few machines fit.

    Examples:
    golem-launcher quote --network polygon --cpus 4 --mem 8 --hours 3
    golem-launcher quote 'gpu>0' --budget 2 --json
    """
    from golem_launcher.market import quote as quotes
    from golem_launcher.market.requirement_shorthand import read_words
    from golem_launcher.request import parse_request
    from golem_launcher.session.preparation import offer_scan

    request = parse_request({**read_words(words or ()), **given})
    with waiting_for(LOOKING):
        found = quotes.quote(request, offer_scan.scan(request))
    if json:
        print_json({**asdict(found), "possible": found.possible})
    else:
        for line in _quote_lines(found):
            say(line)
    if not found.possible:
        raise typer.Exit(1)


def providers(
    *,
    forget: Annotated[
        str | None,
        typer.Option(
            "--forget", metavar="TEXT", help="Forget one, by its id or name; 'all': all.", autocompletion=provider_names
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show what is remembered of providers: agreements, failures, who is avoided and why.

    Examples:
    golem-launcher providers
    golem-launcher providers --forget all
    """
    from golem_launcher.errors import MarketError
    from golem_launcher.market import history

    if forget is not None:
        count = history.forget(None if forget == "all" else forget)
        if not count and forget != "all":
            meant = did_you_mean(forget, (one.name for one in history.read().values()))
            raise MarketError(
                f"No provider is remembered as '{forget}'.", f"{meant} See: golem-launcher providers".strip()
            )
        if json:
            print_json({"forgotten": count})
        else:
            say(f"Forgotten: {counted(count, 'provider')}.")
        return
    records = history.read()
    if json:
        print_json({key: {**one.model_dump(mode="json"), "avoided": one.avoided()} for key, one in records.items()})
        return
    if not records:
        say("Nothing is remembered of any provider yet.")
        return
    rows = []
    for key, one in records.items():
        said = f"avoided: {one.avoided()}" if one.avoided() else "may be taken"
        if not one.avoided() and one.failed_lately():
            said = f"taken last, it failed of late: {one.failed_lately()}"
        rows.append((one.name[:24], key, f"{one.agreements:,}", f"{one.failures:,}", said))
    head = ("PROVIDER", "ID", "AGREEMENTS", "FAILURES", "NEXT TIME")
    show_table(head, rows, give_way=("ID", "NEXT TIME", "PROVIDER"), right=("AGREEMENTS", "FAILURES"))


def networks(*, json: Json = False) -> None:
    """List the networks, and what is paid on each.

    Example: golem-launcher networks
    """
    from golem_launcher.market.local_settlement import as_it_is

    listed = [as_it_is(one) for one in NETWORKS.values()]
    if json:
        print_json({"networks": [{name: getattr(one, name) for name in _TOLD} for one in listed], "retired": RETIRED})
        return
    rows = [
        (one.name, _MONEY[one.money], f"{one.token}, {one.gas} for fees" if one.gas else "nothing", one.sentence)
        for one in listed
    ]
    show_table(("NETWORK", "MONEY", "PAID IN", "WHAT IT IS"), rows, give_way=("WHAT IT IS",))
    for name, instead in RETIRED.items():
        say(f"{name:<8}  retired: use {instead}")


def _quote_lines(found: Quote) -> list[str]:
    if found.per_hour is None or found.start is None or found.whole is None:
        lines = [f"{counted(found.fitting, 'machine fits', 'machines fit')}, {found.machines} wanted."]
        return [*lines, *(f"  {advice.text}" for advice in found.advice)]
    lasts = "beyond any time" if found.lasts_hours is None else duration(found.lasts_hours * _SECONDS_PER_HOUR)
    return [
        f"in all:    {coins(found.whole)} {found.token} for {duration(float(found.hours) * _SECONDS_PER_HOUR)}",
        f"an hour:   {coins(found.per_hour)} {found.token} at full load, {coins(found.start)} at the start",
        *(
            [f"standby:   {coins(found.standby_per_hour)} {found.token} of that, for a machine of another owner"]
            if found.standby_per_hour is not None
            else []
        ),
        f"at most:   {coins(found.budget)} {found.token}, the budget; it lasts {lasts}",
        f"machines:  {', '.join(found.providers)}; {found.fitting} fit",
        *found.left_for_last,
        *([] if found.enough else ["The budget does not last for the whole time."]),
    ]


def _as_json(found: ScannedOffers) -> dict[str, Any]:
    return {
        "fitting": [_offer_json(offer) for offer in found.fitting],
        "others": [_offer_json(offer) for offer in found.others],
        "advice": [asdict(advice) for advice in found.advice],
    }


def _offer_json(offer: Offer) -> dict[str, Any]:
    machine = offer.machine
    return {
        "provider_id": machine.provider_id,
        "name": machine.name,
        "wallets": sorted(machine.wallets),
        "runtime": machine.runtime,
        "capabilities": sorted(machine.capabilities),
        "architecture": machine.architecture,
        "cpus": machine.cpus,
        "memory_gib": machine.memory_gib,
        "disk_gib": machine.disk_gib,
        "gpus": machine.gpus,
        "gpu_model": machine.gpu_model,
        "gpu_memory_gib": machine.gpu_memory_gib,
        "gpu_compute_capability": machine.cards[0].compute_capability if machine.cards else "",
        "per_hour": f"{offer.per_hour:f}",
        "start": f"{offer.start:f}",
        "whole": f"{offer.whole:.9f}",
        "why": list(offer.why),
        "note": offer.note,
        "place": machine.place,
        "speed": offer.speed,
    }


def _show(found: ScannedOffers, request: LaunchRequest, *, everything: bool) -> None:
    token = NETWORKS[request.network].token
    shown = (*found.fitting, *found.others) if everything else found.fitting
    if shown:
        _show_table(shown, token)
    for offer in shown:
        for reason in offer.why:
            say(f"{offer.machine.name[:24]} is not taken: {reason}")
        if offer.note:
            say(f"{offer.machine.name[:24]} is taken last, it failed of late: {offer.note}")
    if not found.fitting:
        say(f"No machine fits; {len(found.others)} on offer.")
        for advice in found.advice:
            say(f"  {advice.text}")
        if not found.advice:
            for reason, count in Counter(offer.why[0] for offer in found.others).most_common(3):
                say(f"  {count} of them: {reason}")
    elif not everything and found.others:
        say(f"{len(found.others)} more do not fit; see why: --all")


def _show_table(shown: Sequence[Offer], token: str) -> None:
    head = ("PROVIDER", "CORES", "GiB", "DISK", f"{token}/H", "START", "IN ALL", "GPU", "PLACE", "SPEED")
    known = [name for name, is_known in _WHERE_KNOWN.items() if any(map(is_known, shown))]
    columns = [at for at, name in enumerate(head) if name not in _WHERE_KNOWN or name in known]
    rows = [tuple(cells[at] for at in columns) for cells in map(_cells, shown)]
    show_table([head[at] for at in columns], rows, give_way=("GPU", "PROVIDER"), right=(*head[1:7], "SPEED"))
    if "SPEED" in known:
        say("SPEED: of a core when it was measured in a session of yours, with a usual core of a server as 1.")


def _cells(offer: Offer) -> tuple[str, ...]:
    machine = offer.machine
    costs = (f"{offer.per_hour:.6f}", f"{offer.start:.4f}", f"{offer.whole:.6f}")
    gpu = f"{machine.gpus} x {machine.gpu_model}" if machine.gpus else "-"
    speed = "-" if offer.speed is None else f"{offer.speed:.1f}"
    return (machine.name[:24], *machine.size_texts, *costs, gpu, machine.place or "-", speed)


_WHERE_KNOWN: dict[str, Callable[[Offer], bool]] = {
    "PLACE": lambda offer: bool(offer.machine.place),
    "SPEED": lambda offer: offer.speed is not None,
}
"""Columns that are left out where nothing is known of any machine."""
