"""Weights at timm's hub: from the local cache, or over the network within a bounded time."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import huggingface_hub
import timm
from huggingface_hub import constants
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError

from igbatch.deadlines import within
from igbatch.errors import InputError, UnfinishedError, one_line

FILE = "model.safetensors"
ANSWER_SECONDS = 10
"""So long the hub may take to answer whether it has a file; it is queried once."""


def fetch_weights(architecture: str, key: str) -> str:
    """Return the path of the weights in the cache, downloading them where they are not in it.

    What is in the cache is taken without asking the hub, so that all runs on a machine use the same weights.

    Raises:
        As `find_weights`; and InputError where the download fails.
    """
    repository, cached = find_weights(architecture, key)
    if cached is not None:
        return cached
    with _refusing(repository, architecture, key):
        return str(huggingface_hub.hf_hub_download(repository, FILE))


def find_weights(architecture: str, key: str) -> tuple[str, str | None]:
    """Return where the hub has the weights, and their path in the cache if they are there; download nothing.

    Raises:
        InputError: timm knows no weights of the architecture, or they can be had from neither.
        UnfinishedError: the hub is there and cannot answer now.
    """
    config = timm.get_pretrained_cfg(architecture)
    if not config or not config.hf_hub_id:
        raise InputError(
            f"{key}: pretrained: timm knows no weights of {architecture} at its hub; "
            "give a .safetensors file or `local-dir:PATH`"
        )
    repository = str(config.hf_hub_id)
    cached = huggingface_hub.try_to_load_from_cache(repository, FILE)
    if isinstance(cached, str):
        return repository, cached
    if constants.HF_HUB_OFFLINE:
        raise _unavailable("HF_HUB_OFFLINE is set", repository, architecture, key, mend="unset it")
    url = huggingface_hub.hf_hub_url(repository, FILE)
    with _refusing(repository, architecture, key):
        within(ANSWER_SECONDS, lambda: huggingface_hub.get_hf_file_metadata(url, timeout=ANSWER_SECONDS / 2))
    return repository, None


@contextmanager
def _refusing(repository: str, architecture: str, key: str) -> Iterator[None]:
    """Keep the client's log off the terminal, and say in one line why weights cannot be had.

    What the client raises depends on its version and network library.
    """
    logger = logging.getLogger("huggingface_hub")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    except Exception as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        reason = f"{constants.ENDPOINT}: {one_line(error, limit=100) or type(error).__name__}"
        if isinstance(error, (EntryNotFoundError, RepositoryNotFoundError)):
            reason = f"the hub has no {FILE} there"
        elif isinstance(error, HfHubHTTPError) and status is not None:
            if status == 429 or status >= 500:
                raise UnfinishedError(
                    f"{key}: {constants.ENDPOINT} answers {status} for the weights of {architecture} "
                    f"({repository}); run it again later"
                ) from None
            reason = f"the hub answers {status}"
        raise _unavailable(reason, repository, architecture, key) from None
    finally:
        logger.setLevel(before)


def _unavailable(
    reason: str, repository: str, architecture: str, key: str, mend: str = "check the network"
) -> InputError:
    return InputError(
        f"{key}: weights of {architecture} cannot be had from the hub ({repository}: {reason}) and are not "
        f"in its cache {constants.HF_HUB_CACHE}; {mend}, fill the cache where there is a network "
        f"(hf download {repository} {FILE}), or give a .safetensors file"
    )
