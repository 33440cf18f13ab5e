"""Connects to Ray: to an existing cluster, or to one that is started for the run and stopped after it."""

from __future__ import annotations

import itertools
import logging
import os
import secrets
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from igbatch.errors import InputError, UnfinishedError, one_line
from igbatch.signals import end_on_sigterm

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
import ray
from ray.job_config import JobConfig

OBJECT_STORE_BYTES = 256 * 1024 * 1024
"""Shared memory of an embedded Ray: shards and reports are small, and maps never pass through it."""

PROBE_SECONDS = 5.0
"""How long a host may take to accept a connection."""
CONNECT_SECONDS = 15.0
"""How long connecting to a cluster may take: Ray itself tries for 14 minutes, with three warnings a try."""

SOCKET_BYTES = 107 if sys.platform.startswith("linux") else 103
"""The longest path of a Unix socket."""
SESSION_BYTES = len("/session_2026-11-29_23-15-41_255484_1234567/sockets/plasma_store.1")
"""What Ray puts behind its folder to get there."""
SHORT_FOLDERS = ("/tmp", "/dev/shm", "/var/tmp")

_SUBMITTED = "RAY_JOB_CONFIG_JSON_ENV_VAR"
_QUIET: dict[str, Any] = {"log_to_driver": False, "namespace": "igbatch"}
_TRY = """
import sys, ray
try:
    ray.init(address=sys.argv[1], log_to_driver=False, logging_level=60, namespace="igbatch")
except Exception as error:
    print(f"{error} {error.__cause__ or ''}")
    sys.exit(1)
"""
_TRY_LIMITS = {
    "RAY_NUM_REDIS_GET_RETRIES": "1",
    "RAY_gcs_server_request_timeout_seconds": "10",
}
_embedded = False


@contextmanager
def ray_session(address: str | None = None) -> Iterator[None]:
    """Connect to the cluster at `address` or RAY_ADDRESS, or start an embedded one and stop it afterwards.

    Inside a process that is connected already, that connection is used and left open.

    Raises:
        InputError: no cluster answers at the address, or there is no folder for the sockets of an own one.
        UnfinishedError: Ray does not start on this machine.
    """
    global _embedded
    if ray.is_initialized():
        yield
        return
    key = f"--address {address}" if address else f"RAY_ADDRESS={os.environ.get('RAY_ADDRESS')}"
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    _embedded = address == "local"
    try:
        with _start() if _embedded else _connect(address, key):
            logging.getLogger("ray").setLevel(logging.ERROR)
            end_on_sigterm()
            yield
    finally:
        ray.shutdown()
        _embedded = False


def is_embedded() -> bool:
    """Return whether this process is connected to a Ray of its own, to which no node will ever be added."""
    return _embedded


@contextmanager
def _start() -> Iterator[None]:
    """Start a Ray on this machine, in a folder whose path its sockets can have."""
    with _ray_folder() as folder, _token():
        try:
            ray.init(
                address="local",
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                logging_level=logging.CRITICAL,
                job_config=DriverImports(),
                _temp_dir=folder,
                _system_config={"worker_niceness": 0},  # Ray's own 15 lets anything else go first
                **_QUIET,
            )
        except Exception as error:  # of Ray's start many classes come, bare `Exception` among them
            raise UnfinishedError(
                f"Ray does not start on this machine ({type(error).__name__}: {one_line(error, limit=300)}); "
                f"look for space in {folder} and /dev/shm, and at `ulimit -a`, then run it again"
            ) from error
        try:
            yield
        finally:
            ray.shutdown()  # before its folder goes


@contextmanager
def _connect(address: str, key: str) -> Iterator[None]:
    """Connect to a cluster that another process has seen to answer."""
    if _SUBMITTED not in os.environ:  # Ray itself says to a submitted job where its cluster is
        _refuse_dead(address, key)
    try:
        ray.init(
            address=address,
            logging_level=logging.CRITICAL,
            job_config=DriverImports(),
            **_QUIET,
        )
    except Exception as error:
        raise _no_cluster(key, one_line(error, limit=200)) from error
    yield


class DriverImports(JobConfig):
    """Lets workers search packages where the driver does: in its script's folder, and nowhere else besides.

    Ray puts the driver's current folder before the installed packages of all workers, whether or not the
    driver looks there, unless the job has a working directory of its own. A folder in which the driver
    looks only behind the installed packages is left out, since workers would look in it first.
    """

    def __init__(self) -> None:
        script, here = os.path.dirname(os.path.realpath(sys.argv[0])), os.getcwd()
        installed = [sysconfig.get_path(kind) for kind in ("stdlib", "purelib", "platlib")]
        searched = [os.path.abspath(path) for path in sys.path]  # `` is the current folder
        known = list(itertools.takewhile(lambda path: path not in installed, searched))
        super().__init__(
            _py_driver_sys_path=[path for path in dict.fromkeys((script, here)) if path in known]
        )

    def _runtime_env_has_working_dir(self) -> bool:
        return True  # Ray calls it to know whether it adds folders to those given above


# A cluster that does not answer


def _refuse_dead(address: str, key: str) -> None:
    """Try an address in a process that can be ended, whatever Ray does in it.

    Raises:
        InputError: nobody answers there in time, or not as a Ray cluster that this process can use.
    """
    if address.startswith(("http://", "https://")):
        raise InputError(
            f"{key}: this is the address of a dashboard, for `ray job submit`; give that of the cluster "
            "itself, HOST:6379, or leave it out"
        )
    if address.startswith("ray://"):
        raise InputError(
            f"{key}: igbatch is no client of a cluster that is elsewhere; run it on one of its nodes with "
            "HOST:6379, or submit it as a job (`ray job submit`)"
        )
    if address != "auto":
        _refuse_closed(address, key)
    limits = {**os.environ, **_TRY_LIMITS, "PYTHONSAFEPATH": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", _TRY, address],
            env=limits, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=CONNECT_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise _no_cluster(key, f"nothing within {CONNECT_SECONDS:.0f} s") from None
    if done.returncode:
        raise _no_cluster(key, _reason(done.stdout, done.stderr))


def _refuse_closed(place: str, key: str) -> None:
    host, colon, port = place.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise InputError(
            f"{key}: not the address of a Ray cluster; give HOST:PORT, such as 10.0.0.5:6379, or auto"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=PROBE_SECONDS).close()
    except OSError as error:
        raise _no_cluster(key, one_line(error.strerror or error, limit=120)) from None


def _reason(printed: str, logged: str) -> str:
    """Say in short why Ray did not connect; what its own lines say of tokens is in no exception."""
    if "Unauthenticated" in logged or "token" in printed.lower():
        return "it asks for a token: RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH"
    if "No node info found" in printed:
        return "one does, but this machine is none of its nodes: run on one of them, or submit a job"
    if "Method not found" in logged:
        return "something else than a Ray cluster answers there"
    if "Failed to connect" in printed or "Traceback" in printed:
        return "something accepts connections there and does not answer as a Ray cluster"
    return one_line(printed, limit=200) or one_line(logged, limit=200) or "Ray ended without a word"


def _no_cluster(key: str, reason: str) -> InputError:
    return InputError(
        f"{key}: no Ray cluster answers ({reason}); correct the address, start a cluster there, or leave it "
        "out for a Ray of this run's own"
    )


# The folder of an embedded Ray


@contextmanager
def _ray_folder() -> Iterator[str]:
    """Yield the folder that Ray takes by itself, or else a short one of our own, which is removed afterwards.

    Raises:
        InputError: there is none.
    """
    usual = os.path.join(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir(), "ray")
    if _holds_sockets(usual):
        yield usual
        return
    for place in SHORT_FOLDERS:
        with suppress(OSError):
            own = tempfile.mkdtemp(prefix="igbatch-ray-", dir=place)
            break
    else:
        raise InputError(
            f"{usual}: no folder for Ray's sockets, nor are {', '.join(SHORT_FOLDERS)}: set RAY_TMPDIR to "
            f"one that can be written to and whose path has at most {SOCKET_BYTES - SESSION_BYTES - 4} bytes"
        )
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _holds_sockets(folder: str) -> bool:
    short = len(os.fsencode(folder)) + SESSION_BYTES <= SOCKET_BYTES
    return os.path.isabs(folder) and short and _can_hold_files(folder)


@contextmanager
def _token() -> Iterator[None]:
    """Give an embedded Ray a token in its environment where it can keep none in the user's home folder."""
    folder = os.path.expanduser("~/.ray")
    given = any(name in os.environ for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    if given or _can_hold_files(folder):
        yield
        return
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    try:
        yield
    finally:
        del os.environ["RAY_AUTH_TOKEN"]


def _can_hold_files(folder: str) -> bool:
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
