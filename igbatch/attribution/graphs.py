"""Passes as graphs: all of a micro-batch's work compiled to one function, or captured as one CUDA graph.

A graph is of one shape. Its inputs lie in buffers; a micro-batch that is not full takes the first rows of
them. Passes that cannot become a graph run eagerly, with a warning that says why.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from .passes import Batch, Passes, Values
from .precision import tensorfloat32

FORMS = ("eager", "compiled", "captured")
"""How passes run: operation by operation; compiled, and captured too on a GPU; captured as they are."""
MIN_FILL = {"cpu": 0.85, "cuda": 0.5}
"""The part of a graph's rows that a micro-batch has to have more of; smaller ones are cheaper eager."""
COMPILING_SECONDS = 900.0
"""What compiling may take; where it takes longer, passes run eager."""
WARM_UPS = 3
"""Runs before a capture, in which libraries choose and allocate what they need."""

Function = Callable[..., tuple[Tensor, ...]]
"""From the tensors of a batch to those of its values."""


class Graphs:
    """Graphs of one model's passes, one for each shape of micro-batch; kept as long as the passes stay.

    The model's tensors are read where they lie, so that weights may be overwritten between calls.

    Args:
        form: a key of ``FORMS``.

    Attributes:
        refused: why passes run eager all the same, None where they do not.
    """

    def __init__(self, form: str) -> None:
        self.form = form
        self.refused: str | None = None
        self._passes: Passes | None = None
        self._graphs: dict[tuple[object, ...], Callable[[Batch], Values]] = {}

    def values(self, passes: Passes, batch: Batch, rows: int) -> Values:
        """Return what `Passes.values` does.

        Args:
            passes: where these are not those of the call before, all graphs are dropped.
            batch: so many rows or fewer.
            rows: of a full micro-batch.
        """
        if self.form == "eager" or len(batch.nodes) <= MIN_FILL.get(batch.nodes.device.type, 0.5) * rows:
            return passes.values(batch)
        if passes != self._passes:
            self._passes, self._graphs = passes, {}
        key = (rows, batch.differences, *((each.shape[1:], each.dtype) for each in batch.tensors))
        if key not in self._graphs:
            self._graphs[key] = self._graph(passes, batch, rows)
        return self._graphs[key](batch)

    def _graph(self, passes: Passes, batch: Batch, rows: int) -> Callable[[Batch], Values]:
        """Return a graph for micro-batches of this shape, or eager passes where there can be none."""
        try:
            return _graph(passes, batch, rows, self.form)
        except Exception as error:  # whatever it is: eager passes work, or raise what is the matter
            first_line = (str(error).strip().splitlines() or [""])[0][:200]
            what = f"they could not be {self.form} ({type(error).__name__}: {first_line})"
            self.refused = f"passes run eager: {what}"
        warnings.warn(self.refused, stacklevel=2)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return passes.values


def _graph(passes: Passes, example: Batch, rows: int, form: str) -> Callable[[Batch], Values]:
    """Return passes for micro-batches of one shape, whose values are the caller's own tensors."""
    inputs = [each[:1].expand(rows, *each.shape[1:]).clone() for each in example.tensors]
    device = example.nodes.device

    def work(*inputs: Tensor) -> tuple[Tensor, ...]:
        start, image, nodes, targets, example_indices = inputs
        batch = Batch(start, image, nodes, targets, example_indices, example.highest, example.differences)
        return tuple(passes.values(batch))

    run = _compiled(work, inputs, passes) if form == "compiled" else work
    if form == "captured" or device.type == "cuda":
        run = _captured(run, inputs, device)
    classes = run(*inputs)[-1].shape[1]

    def values(batch: Batch) -> Values:
        if batch.highest >= classes:
            return passes.values(batch)  # which says what is wrong with it
        count = len(batch.nodes)
        for buffer, given in zip(inputs, batch.tensors, strict=True):
            buffer[:count].copy_(given)
        return Values(*(each[:count].clone() for each in run(*inputs)))

    return values


def _compiled(work: Function, inputs: Sequence[Tensor], passes: Passes) -> Function:
    """Return work as one compiled function: forward pass and backward passes of all targets in it.

    It is traced below autograd and autocast, so that nothing is kept for a backward pass, and casts are those
    of eager passes. torch keeps what was compiled in a folder, `TORCHINDUCTOR_CACHE_DIR`.
    """
    from torch.fx.experimental.proxy_tensor import make_fx

    compiled = torch.compile(make_fx(work)(*inputs), fullgraph=True, dynamic=False)
    # without TF32: torch's compiler looks at switches that contradict those set for it
    _compile(compiled, inputs)

    def run(*inputs: Tensor) -> tuple[Tensor, ...]:
        with torch.no_grad(), tensorfloat32(passes.precision.tensorfloat32):
            return tuple(compiled(*inputs))

    return run


def _compile(compiled: Function, inputs: Sequence[Tensor]) -> None:
    """Call a function that compiles at its first call, in a thread that is left alone if it takes too long.

    Raises:
        TimeoutError: it took longer than `COMPILING_SECONDS`.
    """
    threads, device = torch.get_num_threads(), inputs[0].device
    errors: list[BaseException] = []

    def call() -> None:  # such settings are the thread's own
        torch.set_num_threads(threads)
        try:
            with torch.no_grad(), torch.cuda.device(device) if device.type == "cuda" else nullcontext():
                compiled(*inputs)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=call, name="compile", daemon=True)
    thread.start()
    thread.join(COMPILING_SECONDS)
    if thread.is_alive():
        raise TimeoutError(f"it takes more than {COMPILING_SECONDS:.0f} s")
    if errors:
        raise errors[0]


def _captured(work: Function, inputs: Sequence[Tensor], device: torch.device) -> Function:
    """Return a replay of work as a CUDA graph, which reads these inputs and overwrites its outputs.

    Raises:
        RuntimeError: the device is no GPU.
    """
    if device.type != "cuda":
        raise RuntimeError("a CUDA graph needs a GPU")
    with torch.cuda.device(device):
        stream: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                work(*inputs)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # others may copy meanwhile
            outputs = work(*inputs)

    def replay(*inputs: Tensor) -> tuple[Tensor, ...]:
        graph.replay()
        return outputs

    return replay
