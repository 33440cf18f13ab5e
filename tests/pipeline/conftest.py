"""One embedded Ray for the tests that call it from this process, and one thread for those that compute."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    from igbatch.pipeline.cluster import ray_session

    with ray_session():
        yield


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Run on one thread: the models are too small to share."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
