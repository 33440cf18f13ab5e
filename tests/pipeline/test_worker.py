"""Faults of the machine are distinguished from those of the program, of an image and of the study."""

import errno
import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from igbatch.errors import ImageError, InputError, WorkerError
from igbatch.pipeline.messages import Fault
from igbatch.pipeline.node_checks import Probe
from igbatch.pipeline.packages import imported_packages
from igbatch.pipeline.worker import Worker, fault_of
from igbatch.store.output import Output

CUDA = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.1 GiB"
CPU = (
    "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
    "allocate 4398046511104 bytes. Error code 12 (Cannot allocate memory)"
)


def of_the_system(number: int) -> OSError:
    return OSError(number, os.strerror(number), "/out/image_stats/v/s.parquet")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        MemoryError("Unable to allocate 1.00 TiB for an array"),
        torch.OutOfMemoryError(CUDA),
        RuntimeError(CUDA),
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
        RuntimeError(CPU),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
    ],
    ids=str,
)
def test_want_of_memory_is_the_machines(error: Exception) -> None:
    fault = fault_of(error)
    assert fault is not None
    assert fault.kind == "memory"
    assert fault.message
    assert "\n" not in fault.message


def test_what_torch_says_where_memory_is_wanting_is_understood() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**52)
    fault = fault_of(caught.value)
    assert fault is not None
    assert fault.kind == "memory"


@pytest.mark.parametrize(
    "error",
    [
        of_the_system(errno.ENOSPC),
        of_the_system(errno.EDQUOT),
        of_the_system(errno.EFBIG),
        OSError("When uploading part: No space left on device"),
    ],
    ids=str,
)
def test_a_full_store_is_distinguished_from_one_that_fails(error: OSError) -> None:
    assert fault_of(error) == Fault("full", str(error))


@pytest.mark.parametrize(
    "error",
    [
        OSError("When completing multiple part upload: AWS Error SLOW_DOWN during CompleteMultipartUpload"),
        OSError("When initiating: AWS Error NETWORK_CONNECTION during PutObject operation: curlCode: 28"),
        of_the_system(errno.EIO),
        of_the_system(errno.ESTALE),
        of_the_system(errno.EACCES),
        ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
        TimeoutError("timed out"),
        FileNotFoundError(errno.ENOENT, "No such file or directory"),
    ],
    ids=str,
)
def test_a_store_that_fails_is_the_machines(error: OSError) -> None:
    assert fault_of(error) == Fault("store", str(error))


class UnreadableError(ImageError, OSError):
    """An image's own fault that is an OSError as well."""


@pytest.mark.parametrize(
    "error",
    [
        ImageError("x.png: it cannot be decoded"),
        UnreadableError("x.png: No space left on device"),
        InputError("x: the study is wrong; out of memory"),
        WorkerError("the program failed"),
        ValueError("out of memory"),
        KeyError("out of memory"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"),
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        AssertionError(),
    ],
    ids=repr,
)
def test_other_errors_are_no_faults_of_the_machine(error: Exception) -> None:
    assert fault_of(error) is None


def test_a_long_message_is_one_line_of_bounded_length_and_travels() -> None:
    fault = fault_of(RuntimeError("out of memory\n" * 1000))
    assert fault is not None
    assert "\n" not in fault.message
    assert len(fault.message) <= 300
    assert pickle.loads(pickle.dumps(fault)) == fault


# What a worker refuses before it loads anything


def make(device: str, probe: Probe | None = None) -> Worker:
    def never(*arguments: Any) -> Any:
        raise AssertionError("it loads the model")

    nothing: Any = None
    return Worker(nothing, nothing, device, 1, never, probe)


def test_a_worker_without_its_gpu_says_so_when_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("igbatch.pipeline.devices.why_no_gpu", lambda: "there is none")
    with pytest.raises(
        InputError, match=r"^run\.device: cuda: no GPU on .* \(there is none\): use run\.device: cpu$"
    ):
        make("cuda").ready()


def test_a_worker_with_other_packages_says_so_when_it_is_called(tmp_path: Path) -> None:
    others = replace(imported_packages(), code="another")
    probe = Probe(Output(str(tmp_path)), "p", "c", None, others)
    with pytest.raises(InputError, match="imports igbatch"):
        make("cpu", probe).ready()
