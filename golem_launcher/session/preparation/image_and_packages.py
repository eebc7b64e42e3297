"""What a request's choices of image and software come to: what is booted, and the packages installed in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from golem_launcher.image import lock, upload_estimate
from golem_launcher.image.store import NAME, ImageStore
from golem_launcher.networks import NETWORKS
from golem_launcher.software import DASK, SMALLEST, SOFTWARE

if TYPE_CHECKING:
    from golem_launcher.image.upload_estimate import Upload
    from golem_launcher.request import LaunchRequest

IMAGE_VARIABLE: Final = "GOLEM_LAUNCHER_IMAGE"
"""The image of sessions on real networks whose request names none."""


@dataclass(frozen=True)
class ImageAndPackages:
    """What a session boots, and what is installed in it before its workload starts."""

    image: str
    """As the user or the network names it; empty: the ``variant``, which is made here."""
    variant: str
    packages: tuple[str, ...]
    """The software choice's, where the image does not have them, and those that were asked for; each once."""


def image_and_packages(request: LaunchRequest) -> ImageAndPackages:
    """What the request comes to. For the session itself, and for whoever says beforehand what it will take.

    Where the network has an image of its own, a software choice is packages. Elsewhere it is an image where there is
    one of it, else packages in the smallest one.
    """
    software = request.software_taken
    baked = software in lock.variants()
    of_network = NETWORKS[request.network].image
    variant, packages = software if baked else SMALLEST, SOFTWARE[software].packages
    if request.image is not None:
        image, packages = request.image, ()
    elif of_network:
        image = of_network
    else:
        image = os.environ.get(IMAGE_VARIABLE, "")
        packages = () if image or baked else packages
    of_cluster = DASK if request.has_cluster else ()
    return ImageAndPackages(image, variant, tuple(dict.fromkeys((*packages, *request.packages, *of_cluster))))


def upload_of(request: LaunchRequest) -> Upload | None:
    """The sending of the request's image from this computer to a provider; ``None`` when others send it. Blocking."""
    wanted = image_and_packages(request)
    if wanted.image and not NAME.fullmatch(wanted.image):
        return None
    kept = ImageStore().get(wanted.image or wanted.variant)
    if kept is not None:
        return upload_estimate.upload(kept.size, request.network)
    return None if wanted.image else upload_estimate.upload(lock.SIZES[wanted.variant], request.network)
