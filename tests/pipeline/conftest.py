"""One embedded Ray for the tests that call it from this process; it ends with them."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    from igbatch.pipeline.cluster import ray_session

    with ray_session():
        yield
