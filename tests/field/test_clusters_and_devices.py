"""Clusters that are not there, GPUs that cannot come, and temporary folders that hold no socket."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from igbatch import open_study


@pytest.fixture
def study(write_study: Callable[..., Path]) -> Path:
    return write_study(variants=[{"kind": "trained"}])


def test_the_address_of_a_cluster_that_is_gone(igbatch: Callable[..., Any], study: Path) -> None:
    ended = igbatch("run", study, "--out", "out", env={"RAY_ADDRESS": "127.0.0.1:1"})
    ended.refused("RAY_ADDRESS=127.0.0.1:1: no Ray cluster answers (Connection refused)", "leave it out")


def test_a_port_that_accepts_and_says_nothing(igbatch: Callable[..., Any], study: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        ended = igbatch("run", study, "--out", "out", "--address", address)
    ended.refused(f"--address {address}: no Ray cluster answers (nothing within 15 s)")


@pytest.mark.parametrize(
    ("address", "part"),
    [
        ("http://127.0.0.1:8265", "this is the address of a dashboard"),
        ("ray://127.0.0.1:1", "no Ray cluster answers (Connection refused)"),
        ("head-node", "not the address of a Ray cluster; give HOST:PORT"),
        ("no-such-host.invalid:6379", "no Ray cluster answers ("),
    ],
)
def test_an_address_at_which_no_cluster_can_be(
    call: Callable[..., Any],
    study: Path,
    address: str,
    part: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.shutdown", lambda: None)
    call("run", study, "--out", "out", "--address", address).refused(f"--address {address}: {part}")


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_gpu_is_asked_for_where_none_is(igbatch: Callable[..., Any], study: Path, command: str) -> None:
    """Also where a number of workers is named, for which a cluster may start GPUs."""
    environment = {"CUDA_VISIBLE_DEVICES": ""}
    named = ["--set", "run.device=cuda", "--set", "run.workers={minimum: 1, maximum: 2}"]
    ended = igbatch(command, study, "--out", "out", *named, env=environment)
    ended.refused("run.device: cuda: no GPU on ", "auto or cpu")


def test_more_workers_are_asked_for_than_this_machine_will_ever_hold(
    igbatch: Callable[..., Any], study: Path
) -> None:
    ended = igbatch("run", study, "--out", "out", "--set", "run.workers={minimum: 999, maximum: 999}")
    ended.refused("run.workers.minimum: 999: this machine has room for ", "say fewer of either")


def test_a_temporary_folder_of_slurm_and_a_home_without_a_place(
    igbatch: Callable[..., Any], study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sockets cannot lie in the one, nor Ray's token in the other."""
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):  # a Ray of this process sets one
        monkeypatch.delenv(name, raising=False)
    long = tmp_path / ("slurm." * 12 + "jobs.1234567")
    long.mkdir()
    before = set(os.listdir("/tmp"))
    ended = igbatch("run", study, "--out", "out", env={"TMPDIR": str(long), "HOME": "/proc/1"})
    assert ended.code == 0, ended.err
    assert open_study(str(tmp_path / "out")).complete
    assert not [name for name in set(os.listdir("/tmp")) - before if name.startswith("igbatch-ray-")]
