"""Clusters that are not there, and GPUs and workers that cannot come."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers import Command

from igbatch.pipeline import session


@pytest.fixture
def study(write_study: Callable[..., Path]) -> Path:
    return write_study(variants=[{"kind": "trained"}])


@pytest.mark.usefixtures("not_connected")
def test_the_address_of_a_cluster_that_is_gone(
    call: Command, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    call("run", study, "--out", "out").refused(
        "RAY_ADDRESS=127.0.0.1:1: no Ray cluster answers (Connection refused)", "leave it out"
    )


@pytest.mark.usefixtures("not_connected")
def test_a_port_that_accepts_and_says_nothing(
    call: Command, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "CONNECT_SECONDS", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        ended = call("run", study, "--out", "out", "--address", address)
    ended.refused(f"--address {address}: no Ray cluster answers (nothing within 2 s)")


@pytest.mark.usefixtures("not_connected")
@pytest.mark.parametrize(
    ("address", "part"),
    [
        ("http://127.0.0.1:8265", "this is the address of a dashboard"),
        (
            "ray://127.0.0.1:10001",
            "igbatch is no client of a cluster that is elsewhere; run it on one of its nodes",
        ),
        ("head-node", "not the address of a Ray cluster; give HOST:PORT"),
        ("no-such-host.invalid:6379", "no Ray cluster answers ("),
    ],
)
def test_an_address_at_which_no_cluster_can_be(call: Command, study: Path, address: str, part: str) -> None:
    call("run", study, "--out", "out", "--address", address).refused(f"--address {address}: {part}")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_gpu_is_asked_for_where_none_is(
    command: str,
    study: Path,
    request: pytest.FixtureRequest,
    local_ray: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where a number of workers is named, for which a cluster may start GPUs."""
    here = "igbatch" if torch.cuda.is_available() else "call"  # a process where GPUs are to be hidden
    igbatch: Command = request.getfixturevalue(here)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    named = ["--set", "run.device=cuda", "--set", "run.workers={minimum: 1, maximum: 2}"]
    igbatch(command, study, "--out", "out", *named).refused("run.device: cuda: no GPU on ", "auto or cpu")


@pytest.mark.slow
def test_more_workers_are_asked_for_than_this_machine_will_ever_hold(
    call: Command, study: Path, local_ray: None
) -> None:
    ended = call("run", study, "--out", "out", "--set", "run.workers={minimum: 999, maximum: 999}")
    ended.refused("run.workers.minimum: 999: this machine has room for ", "say fewer of either")
