"""``golem-launcher image …``: builds and manages the images that sessions run in."""

from __future__ import annotations

import sys
import time
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from golem_launcher.cli.terminal.command_io import Json, print_json, reports_errors, say
from golem_launcher.cli.terminal.moment import moment
from golem_launcher.cli.terminal.table import show_table
from golem_launcher.errors import RequestError
from golem_launcher.software import USUAL
from golem_launcher.units import data_size
from golem_launcher.untrusted_text import clean_line

if TYPE_CHECKING:
    from golem_launcher.image.progress import BuildStep

app = typer.Typer(help="Images that sessions run in, made and kept on this computer.", no_args_is_help=True)

_TELL_SECONDS = 5.0


def add_commands(parent: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    parent.add_typer(app, name="image")


@app.command()
@reports_errors
def build(
    variant: Annotated[str, typer.Argument(help="What is in it: sklearn, base, tensorflow or gpu.")] = USUAL,
    name: Annotated[str, typer.Option("--name", help="What it is called here.", show_default="the variant")] = "",
    again: Annotated[bool, typer.Option("--again", help="Make it even if the same one is there.")] = False,  # noqa: FBT002
    json: Json = False,  # noqa: FBT002 - typer's way to a flag
) -> None:
    """Make an image from Debian's and PyPI's packages: no root, no Docker. A minute or two, and 200 MiB to fetch.

    A session on a public network makes the one it needs by itself; made before, it starts sooner.

    Examples:
    golem-launcher image build
    golem-launcher image build base --name mine
    """
    from golem_launcher.image import upload_estimate
    from golem_launcher.image.store import ImageStore

    told = _Teller()
    try:
        image = ImageStore().make(variant, name, told=told, again=again)
    finally:
        told.close()
    upload = upload_estimate.upload(image.size)
    if json:
        print_json({**image.to_json(), "upload": upload.to_json()})
        return
    say(f"{image.name}: {data_size(image.size)}, {image.path}\n{upload.words}")
    say(f"Use it: golem-launcher start --network NETWORK --image {image.name}")


@app.command("list")
@reports_errors
def list_images(json: Json = False) -> None:  # noqa: FBT002
    """List the images on this computer.

    Example: golem-launcher image list --json
    """
    from golem_launcher.image import lock, upload_estimate
    from golem_launcher.image.store import ImageStore
    from golem_launcher.software import SOFTWARE

    images = ImageStore().images()
    if json:
        print_json([{**image.to_json(), "upload": upload_estimate.upload(image.size).to_json()} for image in images])
        return
    there = {image.variant for image in images}
    rows = [
        *(
            (
                image.name,
                data_size(image.size),
                moment(image.made),
                image.variant or "a file",
                "" if image.current else "an older recipe: build it again",
            )
            for image in images
        ),
        *(
            (
                variant,
                f"about {data_size(lock.SIZES[variant])}",
                "not yet",
                variant,
                "build it",
            )
            for variant in lock.variants()
            if variant not in there
        ),
    ]
    show_table(("NAME", "SIZE", "MADE", "OF", "TO DO"), rows, give_way=("TO DO",), right=("SIZE",))
    if len(there) < len(lock.variants()):
        say("Build one: golem-launcher image build NAME")
    for name in SOFTWARE.keys() - set(lock.variants()):
        say(f"There is no image of {name}: elsewhere than on 'local' it is installed in 'base', at the provider.")


@app.command()
@reports_errors
def info(name: str, json: Json = False) -> None:  # noqa: FBT002
    """Say what there is to know of an image: its hash, its file, how long an upload of it takes.

    Example: golem-launcher image info base
    """
    from golem_launcher.image import gvmi, upload_estimate
    from golem_launcher.image.store import ImageStore

    image = ImageStore().find(name)
    settings, upload = gvmi.settings(image.path), upload_estimate.upload(image.size)
    if json:
        print_json({**image.to_json(), "settings": settings, "upload": upload.to_json()})
        return
    say(
        f"{image.name}: made {moment(image.made)} of {image.variant or 'a file'}\n"
        f"  file      {image.path}\n  bytes     {image.size}\n  SHA3-224  {image.hash}"
    )
    for key, value in sorted(settings.items()):
        say(f"  {key:<9} {clean_line(_words(value), longest=200)}")
    say(upload.words)


@app.command()
@reports_errors
def add(
    file: Annotated[Path, typer.Argument(help="A Golem image (.gvmi), as gvmkit-build makes them.")],
    name: Annotated[str, typer.Option("--name", help="What it is called here.")],
    json: Json = False,  # noqa: FBT002
) -> None:
    """Keep a copy of an image that was made elsewhere, to run sessions in it without a registry.

    All of the market can fetch it while a session uses it: put nothing secret into one.

    Example: golem-launcher image add my-app.gvmi --name mine
    """
    from golem_launcher.image.store import ImageStore

    image = ImageStore().add(file, name)
    if json:
        print_json(image.to_json())
    else:
        say(f"{image.name}: {data_size(image.size)}. Use it: golem-launcher start --image {image.name}")


@app.command()
@reports_errors
def remove(
    names: Annotated[list[str] | None, typer.Argument(help="The images to remove.")] = None,
    packages: Annotated[bool, typer.Option("--packages", help="Also what was fetched to make images.")] = False,  # noqa: FBT002
) -> None:
    """Remove images from this computer. Sessions that run are not disturbed.

    Examples:
    golem-launcher image remove sklearn
    golem-launcher image remove --packages
    """
    from golem_launcher.image.store import ImageStore

    if not names and not packages:
        raise RequestError("No image was named.", "golem-launcher image list shows what there is.")
    for name in names or ():
        image = ImageStore().remove(name)
        say(f"{image.name} is removed ({data_size(image.size)}).")
    if packages:
        say(f"Packages that were kept are removed ({data_size(ImageStore().clean())}).")


@app.command()
@reports_errors
def push(
    name: str,
    tag: Annotated[str, typer.Argument(help="Where to: USER/NAME:TAG. Without one it is known by its hash.")] = "",
) -> None:
    """Upload an image to Golem's registry, from where providers fetch it faster than over a home's line.

    Needs Golem's own program: pip install gvmkit-build. It asks for the login of registry.golem.network, or takes
    REGISTRY_USER and REGISTRY_TOKEN.

    Examples:
    golem-launcher image push base me/jupyterlab:base
    golem-launcher image push base
    """
    from golem_launcher.image.push import push as upload
    from golem_launcher.image.store import ImageStore
    from golem_launcher.market.golem_web_services import REGISTRY

    image = ImageStore().find(name)
    upload(image, tag, registry_url=REGISTRY.address)
    say(f"{image.name} is in the registry. Use it: golem-launcher start --image {tag or image.hash}")


class _Teller:
    """Says how far the making is: one line that changes on a terminal, else a line now and then."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._name = ""
        self._told = 0.0

    def __call__(self, step: BuildStep) -> None:
        now = time.monotonic()
        if step.name == self._name and now - self._told < (0.1 if self._live else _TELL_SECONDS):
            return
        self._name, self._told = step.name, now
        words = f"{step.name} … {step.words}".rstrip()
        typer.echo(f"\r\x1b[K{words}" if self._live else words, err=True, nl=not self._live)

    def close(self) -> None:
        """Clear the line of the terminal. Called once, when the image is made."""
        if self._live and self._name:
            typer.echo("\r\x1b[K", err=True, nl=False)


def _words(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, dict | list) else str(value)
