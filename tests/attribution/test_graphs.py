"""Compiled and captured passes against eager ones."""

from __future__ import annotations

import shutil
import threading
import warnings
from collections.abc import Callable, Sequence

import pytest
import torch
from timm.models.swin_transformer import SwinTransformer
from torch import Tensor, nn

from igbatch.attribution import AttributionError, Example, Settings, graphs, integrated_gradients
from igbatch.attribution.calibrate import COMPILED_HOURS, FLOPS_PER_HOUR, choose_graphs
from igbatch.attribution.engine import attribute
from igbatch.attribution.frozen import frozen, gradients_allowed
from igbatch.attribution.graphs import Graphs
from igbatch.attribution.outputs import OUTPUTS
from igbatch.attribution.passes import Batch, Passes, Values
from igbatch.attribution.precision import PRECISIONS

ROWS = 4
CPU = torch.device("cpu")
needs_compiler = pytest.mark.skipif(shutil.which("c++") is None, reason="compiling needs a C++ compiler")


class LooksUp(nn.Module):
    """A model that asks for the numbers of its input, which no graph can know."""

    def forward(self, images: Tensor) -> Tensor:
        sums = images.square().sum((2, 3))
        return sums if float(sums.detach().max()) > 0 else -sums


@pytest.fixture
def net() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.GELU(), nn.Flatten(), nn.Linear(4 * 36, 5)]
        return nn.Sequential(*layers).eval()


@pytest.fixture
def compiled_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare torch's compiler half of its work: trying all kinds of vectors, and starting processes."""
    from torch._inductor import config, cpu_vec_isa

    kinds = [kind for kind in cpu_vec_isa.supported_vec_isa_list if str(kind) == "avx2"]
    monkeypatch.setattr(cpu_vec_isa, "supported_vec_isa_list", kinds)
    monkeypatch.setattr(config, "compile_threads", 1)


@pytest.fixture
def traced_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is traced runs as it is: nothing is compiled."""
    monkeypatch.setattr(graphs.torch, "compile", lambda graph, **options: graph)


@pytest.fixture
def captures(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Stand in for CUDA graphs: outputs lie in the same tensors at every replay, as theirs do."""
    replays: list[int] = []

    def captured(work: graphs.Function, inputs: Sequence[Tensor], device: torch.device) -> graphs.Function:
        outputs = tuple(torch.full_like(each, torch.nan) for each in work(*inputs))

        def replay(*given: Tensor) -> tuple[Tensor, ...]:
            replays.append(len(inputs[0]))
            for output, found in zip(outputs, work(*inputs), strict=True):
                output.copy_(found)
            return outputs

        return replay

    monkeypatch.setattr(graphs, "_captured", captured)
    return replays


def batch(rows: int, size: int, seed: int = 0, targets: int = 2) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(rows, 3, size, size, generator=generator)
    nodes = torch.linspace(0.1, 1, rows, dtype=torch.float64)
    indices = torch.arange(targets).expand(rows, -1)
    return Batch(torch.zeros_like(image), image, nodes, indices, torch.arange(rows), targets - 1)


def passes_of(forward: Callable[[Tensor, Tensor], Tensor], precision: str = "float32") -> Passes:
    return Passes(forward, OUTPUTS["probability"], PRECISIONS[precision])


def same(found: Values, expected: Values, relative: float) -> None:
    for each, other in zip(found, expected, strict=True):
        assert each.dtype == other.dtype
        torch.testing.assert_close(each, other, rtol=0, atol=relative * float(other.abs().max()))


@pytest.mark.slow
@needs_compiler
def test_compiled_passes_are_eager_ones_within_rounding(net: nn.Module, compiled_soon: None) -> None:
    kept = Graphs("compiled")
    with frozen(net, PRECISIONS["float32"], CPU) as forward, gradients_allowed(CPU):
        passes = passes_of(forward)
        for seed in range(2):
            given = batch(ROWS, 8, seed)
            same(kept.values(passes, given, ROWS), passes.values(given), 1e-5)
        with torch.no_grad():
            net[0].weight.mul_(-1.5)  # other weights in the same place, as variants are
        given = batch(ROWS, 8)
        same(kept.values(passes, given, ROWS), passes.values(given), 1e-5)
    assert kept.refused is None


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_traced_swin_is_the_eager_one(
    small_swin: SwinTransformer, traced_alone: None, precision: str
) -> None:
    kept = Graphs("compiled")
    with frozen(small_swin, PRECISIONS[precision], CPU) as forward, gradients_allowed(CPU):
        passes, size = passes_of(forward, precision), small_swin.patch_embed.img_size[0]
        for seed in range(2):
            given = batch(ROWS, size, seed)
            same(kept.values(passes, given, ROWS), passes.values(given), 1e-5)
    assert kept.refused is None


def test_maps_of_captured_passes_are_those_of_eager_ones(net: nn.Module, captures: list[int]) -> None:
    images = torch.randn(7, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    settings = Settings(steps="auto", tolerance=0.01, micro_batch=ROWS)
    examples = [Example(image, torch.zeros_like(image), torch.tensor([0, 3])) for image in images]
    eager = {done.index: done for done in attribute(net, examples, settings)}
    kept = Graphs("captured")
    for done in attribute(net, examples, settings, graphs=kept):
        torch.testing.assert_close(done.attributions, eager[done.index].attributions, rtol=1e-6, atol=1e-9)
    assert len(captures) > 1
    assert set(captures) == {ROWS}


def test_padding_changes_nothing_and_values_outlive_the_next_ones(
    net: nn.Module, captures: list[int]
) -> None:
    kept = Graphs("captured")
    with frozen(net, PRECISIONS["float32"], CPU) as forward, gradients_allowed(CPU):
        passes = passes_of(forward)
        full = kept.values(passes, batch(20, 8), 20)
        part = batch(18, 8, seed=1)
        padded = kept.values(passes, part, 20)
        assert padded.maps.shape[0] == padded.logits.shape[0] == 18
        same(padded, passes.values(part), 1e-6)
        same(full, passes.values(batch(20, 8)), 1e-6)
        assert len(captures) == 3  # one of them counts the classes
        kept.values(passes, batch(10, 8), 20)
        assert len(captures) == 3, "a half-empty micro-batch is cheaper eager"


def test_a_class_that_the_model_has_not_is_refused(net: nn.Module, captures: list[int]) -> None:
    kept = Graphs("captured")
    with frozen(net, PRECISIONS["float32"], CPU) as forward, gradients_allowed(CPU):
        passes, given = passes_of(forward), batch(ROWS, 8)
        kept.values(passes, given, ROWS)
        wrong = given._replace(targets=given.targets + 4, highest=5)
        with pytest.raises(AttributionError, match="class 5, but the model has 5 classes"):
            kept.values(passes, wrong, ROWS)


def test_what_cannot_be_traced_runs_eager_and_says_why() -> None:
    kept = Graphs("compiled")
    with frozen(LooksUp(), PRECISIONS["float32"], CPU) as forward, gradients_allowed(CPU):
        passes, given = passes_of(forward), batch(ROWS, 8)
        with pytest.warns(UserWarning, match="passes run eager: they could not be compiled"):
            found = kept.values(passes, given, ROWS)
        with warnings.catch_warnings(action="error"):  # once is enough
            same(kept.values(passes, given, ROWS), found, 0)
        same(found, passes.values(given), 0)


def test_what_takes_too_long_to_compile_runs_eager_and_says_why(
    net: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    def slow(graph: Callable[..., object], **options: object) -> Callable[..., object]:
        def first(*inputs: Tensor) -> object:
            released.wait(30)
            return graph(*inputs)

        return first

    monkeypatch.setattr(graphs.torch, "compile", slow)
    monkeypatch.setattr(graphs, "COMPILING_SECONDS", 0.2)
    example = Example(torch.ones(3, 8, 8), torch.zeros(3, 8, 8), torch.tensor([1]))
    found, why = choose_graphs(net, example, Settings(micro_batch=ROWS), "compiled", 1)
    released.set()
    assert found.form == "eager"
    assert "they could not be compiled (TimeoutError: it takes more than 0 s)" in why


def test_capturing_without_a_gpu_runs_eager_and_says_why(net: nn.Module) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    images = torch.ones(ROWS, 3, 8, 8)
    with pytest.warns(UserWarning, match="they could not be captured"):
        found = integrated_gradients(net, images, [0], 0.0, steps=4, passes="captured")
    expected = integrated_gradients(net, images, [0], 0.0, steps=4)
    assert torch.equal(found.attributions, expected.attributions)
    with pytest.raises(AttributionError, match="choose auto or one of eager, compiled, captured"):
        integrated_gradients(net, images, [0], 0.0, passes="fast")


def test_auto_compiles_where_the_passes_ahead_are_long(net: nn.Module, traced_alone: None) -> None:
    example = Example(torch.ones(3, 8, 8), torch.zeros(3, 8, 8), torch.tensor([1]))
    settings = Settings(steps=10)
    few, why = choose_graphs(net, example, settings, "auto", ahead=100)
    assert (few.form, why) == ("eager", "")
    row = 2 * 2 * (4 * 36 * 27 + 5 * 144)  # multiplications and additions, forward and backward
    images = int(COMPILED_HOURS * 2 / 3 * FLOPS_PER_HOUR / row / 10)
    assert choose_graphs(net, example, settings, "auto", int(0.9 * images))[0].form == "eager"
    many, why = choose_graphs(net, example, settings, "auto", int(1.1 * images))
    assert (many.form, why) == ("compiled", "passes compiled: 0.7 h of passes pay for compiling")


def test_where_a_graph_leaves_no_room_passes_stay_eager(
    net: nn.Module, captures: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    example = Example(torch.ones(3, 8, 8), torch.zeros(3, 8, 8), torch.tensor([1]))
    eager, through = Passes.values, Graphs.values
    full: list[bool] = []

    def values(self: Passes, batch: Batch) -> Values:
        if full:
            raise torch.OutOfMemoryError("out of memory")
        return eager(self, batch)

    def through_graph(self: Graphs, passes: Passes, batch: Batch, rows: int) -> Values:
        found = through(self, passes, batch, rows)
        full.append(True)
        return found

    monkeypatch.setattr(Passes, "values", values)
    monkeypatch.setattr(Graphs, "values", through_graph)
    found, why = choose_graphs(net, example, Settings(micro_batch=ROWS), "captured", 1)
    assert captures
    assert found.form == "eager"
    assert why == "passes eager: captured, they leave no memory for a micro-batch"


def test_graphs_that_are_wrong_are_not_taken(
    net: nn.Module, captures: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    example = Example(torch.ones(3, 8, 8), torch.zeros(3, 8, 8), torch.tensor([1]))
    assert choose_graphs(net, example, Settings(), "captured", 1)[0].form == "captured"
    honest = graphs._captured

    def wrong(*arguments: object) -> graphs.Function:
        replay = honest(*arguments)  # type: ignore[arg-type]
        return lambda *given: tuple(1.01 * each for each in replay(*given))

    monkeypatch.setattr(graphs, "_captured", wrong)
    found, why = choose_graphs(net, example, Settings(), "captured", 1)
    assert found.form == "eager"
    assert why.startswith("passes eager: captured, maps at nodes are ")
