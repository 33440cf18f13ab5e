"""The reason why there is no GPU."""

import warnings

import pytest
import torch

from igbatch.errors import InputError
from igbatch.pipeline.devices import refuse_missing_gpu, why_no_gpu


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A torch with CUDA that sees no GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_a_gpu_is_nothing_to_complain_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert why_no_gpu() is None
    refuse_missing_gpu("cuda", "use another")


@pytest.mark.usefixtures("no_gpu")
def test_a_cpu_needs_no_gpu() -> None:
    refuse_missing_gpu("cpu", "use another")


@pytest.mark.usefixtures("no_gpu")
def test_the_reason_and_what_to_do_are_one_line() -> None:
    with pytest.raises(
        InputError, match=r"^run\.device: cuda: no GPU on \S+ \(torch \S+ sees none.*\): use it$"
    ):
        refuse_missing_gpu("cuda", "use it")


@pytest.mark.usefixtures("no_gpu")
def test_a_torch_without_cuda_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    assert "is built without CUDA" in str(why_no_gpu())


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("hidden", ["", "-1"])
def test_a_variable_that_hides_them_is_named(hidden: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert why_no_gpu() == f"CUDA_VISIBLE_DEVICES={hidden} hides all GPUs"


@pytest.mark.usefixtures("no_gpu")
def test_what_torch_warns_of_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_old() -> bool:
        warnings.warn("The NVIDIA driver on your system\nis too old", stacklevel=1)
        return False

    monkeypatch.setattr(torch.cuda, "is_available", too_old)
    assert "(The NVIDIA driver on your system is too old)" in str(why_no_gpu())
