"""Whether every node sees what the driver sees: output, images and packages.

It is checked before the first shard, and by every worker.
"""

from __future__ import annotations

import platform
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from igbatch.errors import IgbatchError, InputError, one_line
from igbatch.filesystem import resolve
from igbatch.pipeline.packages import Packages, imported_packages, refuse_other_packages
from igbatch.pipeline.session import is_embedded
from igbatch.store.output import Output

NODE_SECONDS = 120.0
"""How long a node may take to answer."""


@dataclass(frozen=True)
class Probe:
    """What a node has to see: a file that the driver wrote into the output, and an image of the study.

    `image` is None where images are drawn, `mask` where they have no masks. `packages` are the driver's.
    """

    output: Output
    path: str
    content: str
    image: str | None
    packages: Packages = field(default_factory=imported_packages)
    mask: str | None = None

    def unseen(self) -> list[str]:
        """Return in words what this process does not see; an empty list where it sees all.

        Raises:
            InputError: it imports other packages than the driver.
        """
        refuse_other_packages(self.packages)
        unseen = []
        try:
            if self.output.read(self.path).decode() != self.content:
                unseen.append(f"another file at {self.path}")
        except (OSError, IgbatchError) as error:
            unseen.append(f"not the output {self.output.uri} ({one_line(error, limit=160)})")
        for kind, uri in (("image", self.image), ("mask", self.mask)):
            if uri is not None and (reason := _unreadable(uri)):
                unseen.append(f"not the {kind} {uri} ({reason})")
        return unseen


@contextmanager
def probe_file(output: Output, image: str | None, mask: str | None = None) -> Iterator[Probe]:
    """Write a probe into the output and remove it afterwards."""
    # What the driver does not see either will be quarantined by the worker that needs it.
    image, mask = (None if uri is None or _unreadable(uri) else uri for uri in (image, mask))
    content = secrets.token_hex(8)
    path = output.path(f".probe-{content}.tmp")  # what is left over is swept with other temporary files
    output.put(path, content.encode())
    try:
        yield Probe(output, path, content, image, mask=mask)
    finally:
        with suppress(OSError):
            output.delete(path)


def check_nodes(probe: Probe) -> None:
    """Check what every node that can run tasks sees; an embedded Ray sees what its driver sees.

    Raises:
        InputError: some node does not see the output or the images, imports other packages than the driver,
            or cannot import igbatch; the message names it.
    """
    if is_embedded():
        return
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) > 0]
    task = ray.remote(num_cpus=0, max_retries=1)(Probe.unseen)
    answers_of = {
        node["NodeManagerHostname"] + " " + node["NodeID"][:8]: task.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ).remote(probe)
        for node in nodes
    }
    answers = {}
    for name, reference in answers_of.items():
        try:
            answers[name] = ray.get(reference, timeout=NODE_SECONDS)
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, IgbatchError):
                raise error.cause from None
            raise InputError(
                f"node {name} cannot run igbatch ({one_line(error.cause, limit=200)}); install the driver's "
                "packages there"
            ) from None
        except ray.exceptions.RayError:
            continue  # the node was lost meanwhile; a later worker on it checks again
    require_node_access(answers)


def require_node_access(answers: Mapping[str, Sequence[str]]) -> None:
    """Refuse nodes that do not see everything; `answers` has what each node does not see.

    Raises:
        InputError: there is one.
    """
    blind = {name: unseen for name, unseen in answers.items() if unseen}
    if blind:
        found = "; ".join(f"node {name} sees {', '.join(unseen)}" for name, unseen in blind.items())
        seeing = [*(name for name in answers if name not in blind), f"the driver on {platform.node()}"]
        raise InputError(
            f"{found}; {' and '.join(seeing)} see all: use an object store or a shared folder for output and "
            "images, and give every node the same access"
        )


def _unreadable(uri: str) -> str | None:
    """Return why a file cannot be read, None where it can."""
    try:
        filesystem, path = resolve(uri)
        with filesystem.open_input_file(path) as file:
            file.read(1)
    except (OSError, IgbatchError) as error:
        return one_line(error, limit=160) or type(error).__name__
    return None
