"""Addresses that no cluster answers at, folders for Ray's sockets, and what workers' imports start from."""

import os
import socket
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
import ray

from igbatch.errors import InputError, UnfinishedError
from igbatch.pipeline import session
from igbatch.pipeline.session import (
    SESSION_BYTES,
    SOCKET_BYTES,
    DriverImports,
    _ray_folder,
    _reason,
    _token,
    is_embedded,
    ray_session,
)


def refusal(address: str | None) -> str:
    with pytest.raises(InputError) as caught, ray_session(address):
        raise AssertionError("there is no cluster")
    assert "\n" not in str(caught.value)
    assert not is_embedded()
    return str(caught.value)


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_a_session_inside_a_session_leaves_it_open() -> None:
    with ray_session():
        assert ray.is_initialized()
    assert ray.is_initialized()
    assert is_embedded()


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_workers_of_an_own_ray_give_way_no_more_than_the_run_itself() -> None:
    """Unless the user says so: `nice igbatch run`."""
    niceness = ray.get(ray.remote(num_cpus=0)(lambda: os.nice(0)).remote())
    assert niceness == os.nice(0)


# Addresses


@pytest.mark.usefixtures("not_connected")
def test_a_refused_connection_names_the_option_or_the_variable(
    closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"127.0.0.1:{closed_port}"
    assert refusal(address).startswith(f"--address {address}: no Ray cluster answers (Connection refused); ")
    monkeypatch.setenv("RAY_ADDRESS", address)
    assert refusal(None).startswith(f"RAY_ADDRESS={address}: no Ray cluster answers (Connection refused)")


@pytest.mark.usefixtures("not_connected")
@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1", "127.0.0.1:port", "127.0.0.1:99999"])
def test_what_is_no_address_is_refused(address: str) -> None:
    assert refusal(address).startswith(
        f"--address {address}: not the address of a Ray cluster; give HOST:PORT"
    )


@pytest.mark.usefixtures("not_connected")
def test_the_address_of_a_dashboard_is_refused() -> None:
    assert "the address of a dashboard, for `ray job submit`" in refusal("http://127.0.0.1:8265")


@pytest.mark.slow
@pytest.mark.usefixtures("not_connected")
def test_a_port_that_says_nothing_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "CONNECT_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        line = refusal(f"127.0.0.1:{silent.getsockname()[1]}")
    assert "(nothing within 1 s)" in line
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    ("printed", "logged", "reason"),
    [
        ("Failed to connect", "W gcs_client.cc: RPC error: Unauthenticated", "it asks for a token: "),
        ("Failed … No node info found matching attributes: ''", "", "this machine is none of its nodes"),
        (
            "Failed to connect",
            "RpcError: Method not found! rpc_code: 12",
            "something else than a Ray cluster",
        ),
        ("Version mismatch:\n  Ray 2.54", "W noise", "Version mismatch: Ray 2.54"),
        ("", "", "Ray ended without a word"),
    ],
)
def test_why_a_cluster_cannot_be_used_is_reported_in_short(printed: str, logged: str, reason: str) -> None:
    assert reason in _reason(printed, logged)


@pytest.mark.usefixtures("not_connected")
def test_a_ray_that_does_not_start_is_one_line_and_leaves_no_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(**how: Any) -> None:
        raise Exception("The current node timed out\nduring startup.")

    monkeypatch.setattr(session, "SHORT_FOLDERS", (str(tmp_path),))
    monkeypatch.setattr(session, "_holds_sockets", lambda folder: False)
    monkeypatch.setattr(ray, "init", fail)
    with (
        pytest.raises(
            UnfinishedError, match=r"Exception: The current node timed out during startup\."
        ) as caught,
        ray_session(),
    ):
        raise AssertionError
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


# Folders


def folder_of(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    for name in ("RAY_TMPDIR", "TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(tempfile, "tempdir", None)  # where it keeps what it found
    with _ray_folder() as folder:
        assert os.path.isdir(folder)
        assert len(folder) + SESSION_BYTES <= SOCKET_BYTES
        return folder


@pytest.fixture
def short() -> Any:
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="t") as folder:
        yield folder


def test_a_short_folder_is_rays_own(monkeypatch: pytest.MonkeyPatch, short: str) -> None:
    assert folder_of(monkeypatch) == "/tmp/ray"
    assert folder_of(monkeypatch, TMPDIR=short) == f"{short}/ray"
    assert folder_of(monkeypatch, TMPDIR="/proc", RAY_TMPDIR=short) == f"{short}/ray"


@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
@pytest.mark.parametrize("place", ["long", "/proc/1", "relative"])
def test_in_place_of_one_that_will_not_do_a_private_one_is_taken_and_removed(
    variable: str, place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if place == "long":
        long = tmp_path / ("slurm." * 12 + "1234567")
        long.mkdir()
        place = str(long)
    if place == "relative" and variable == "TMPDIR":
        pytest.skip("Python makes it absolute")
    found = folder_of(monkeypatch, **{variable: place})
    if place == "/proc/1" and variable == "TMPDIR":
        assert found == "/tmp/ray"  # Python's own choice, where the variable names no folder to write to
    else:
        assert found.startswith("/tmp/igbatch-ray-")
        assert not os.path.exists(found)
    assert not tmp_path.joinpath("relative").exists()


def test_a_folder_that_holds_the_longest_path_and_no_letter_more(
    monkeypatch: pytest.MonkeyPatch, short: str
) -> None:
    limit = SOCKET_BYTES - SESSION_BYTES - len(f"{short}/") - len("/ray")
    for letters, fits in ((limit, True), (limit + 1, False)):
        place = os.path.join(short, "x" * letters)
        assert (folder_of(monkeypatch, RAY_TMPDIR=place) == f"{place}/ray") is fits


def test_where_no_folder_will_do_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "SHORT_FOLDERS", ("/proc/1", "/proc/2"))
    with pytest.raises(InputError, match=r"^/proc/3/ray: no folder for Ray's sockets.*set RAY_TMPDIR"):
        folder_of(monkeypatch, RAY_TMPDIR="/proc/3")


def test_a_home_that_holds_no_token_is_made_up_for_while_ray_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with _token():
        assert "RAY_AUTH_TOKEN" not in os.environ
    monkeypatch.setenv("HOME", "/proc/1")
    with _token():
        assert len(os.environ["RAY_AUTH_TOKEN"]) == 64
    assert "RAY_AUTH_TOKEN" not in os.environ


# Imports


@pytest.mark.parametrize(
    ("script", "path", "folders"),
    [
        ("{here}/scripts/run.py", ["{here}/scripts", "/site"], ["{here}/scripts"]),
        ("{here}/bin/igbatch", ["/site"], []),
        ("/site/igbatch/cli.py", ["{here}", "/site"], ["{here}"]),
        ("-c", ["", "/site"], ["{here}"]),
        ("{here}/run.py", [sysconfig.get_path("purelib"), "{here}"], []),
    ],
    ids=["script", "command", "module", "code", "behind the installed packages"],
)
def test_workers_get_the_folders_that_the_driver_looks_in(
    script: str, path: list[str], folders: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    here = os.path.realpath(tmp_path)
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "argv", [script.format(here=here)])
    monkeypatch.setattr(sys, "path", [each.format(here=here) for each in path])
    config = DriverImports()
    assert config._py_driver_sys_path == [each.format(here=here) for each in folders]
    assert config._runtime_env_has_working_dir()  # Ray then adds none of its own
