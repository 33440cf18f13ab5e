"""One image of a study, read or drawn by its URI, with what is known of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from urllib.parse import parse_qsl

from PIL import Image

from igbatch.errors import ImageError
from igbatch.filesystem import resolve
from igbatch.images.boxes import Box, number_boxes
from igbatch.images.decoding import decode_upright

MAX_FILE_BYTES = 256 * 1024 * 1024
"""Size above which an image file is not read."""


@dataclass(frozen=True)
class LoadedImage:
    """An upright picture of mode RGB and its particulars.

    Attributes:
        image: the picture.
        sha256: hex digest of the file's bytes; of the pixels [H, W, 3] for a drawn scene.
        boxes: of a drawn scene, known by construction; none for files.
        label: class of a drawn scene; None for files.
        turned: whether EXIF turned the picture so that width and height changed places.
        without: of a drawn scene the same without each of its birds, in the order of `boxes`; none otherwise.
    """

    image: Image.Image
    sha256: str
    boxes: tuple[Box, ...] = ()
    label: str | None = None
    turned: bool = False
    without: tuple[Image.Image, ...] = ()


def load_image(uri: str, *, without: bool = False) -> LoadedImage:
    """Read and decode the image at a URI of `igbatch.images.manifest.list_images`.

    A drawn scene is drawn `without` each of its birds as well, if that is asked for.

    Raises:
        ImageError: the file is gone, may not be read, is too large, or cannot be decoded.
        OSError: the store failed; trying again may help.
        InputError: no driver opens the URI.
    """
    if uri.startswith("scene:"):
        return _draw(uri, without)
    data = read_file(uri)
    image, turned = decode_upright(data)
    return LoadedImage(image, hashlib.sha256(data).hexdigest(), turned=turned)


def read_file(uri: str) -> bytes:
    """Read a file of at most `MAX_FILE_BYTES`.

    Raises:
        ImageError: it is gone, may not be read, or is too large.
        OSError: the store failed; trying again may help.
    """
    filesystem, path = resolve(uri)
    try:
        with filesystem.open_input_file(path) as file:
            if file.size() > MAX_FILE_BYTES:
                raise ImageError(f"{file.size()} bytes are more than {MAX_FILE_BYTES}; make the file smaller")
            data: bytes = file.read()
    except FileNotFoundError as error:
        raise ImageError("the file is gone; restore it, or remove it from the study") from error
    except PermissionError as error:
        raise ImageError(f"the file cannot be read ({error.strerror}); grant access") from error
    return data


def _draw(uri: str, without: bool) -> LoadedImage:
    from igbatch.birds.scenes import render_scene, render_without_each

    seed, _, query = uri.removeprefix("scene:").partition("?")
    options = dict(parse_qsl(query))
    which, label = (int(seed), options.get("kind")), options.get("label")
    scene, others = (
        render_without_each(*which, label=label) if without else (render_scene(*which, label=label), ())
    )
    ids = number_boxes(box.label for box in scene.boxes)
    boxes = tuple(Box(box_id, **vars(box)) for box_id, box in zip(ids, scene.boxes, strict=True))
    digest = hashlib.sha256(scene.image.tobytes()).hexdigest()
    pictures = tuple(map(Image.fromarray, others))
    return LoadedImage(Image.fromarray(scene.image), digest, boxes, scene.label, without=pictures)
