"""How the passes of a model run: eager, compiled or captured, by a rule, and tried before it is taken."""

from __future__ import annotations

import warnings

from torch.utils.flop_counter import FlopCounterMode

from .calibrate import largest_distance, spread
from .engine import passes_of, rows_of
from .frozen import Model, frozen, lifted
from .graphs import Graphs
from .passes import Passes
from .precision import PRECISIONS
from .settings import Example, Settings
from .wave import out_of_memory

__all__ = ["choose_graphs"]

FLOPS_PER_HOUR = 3600 * 50e9
"""What a core is reckoned to do, to tell whether passes are long; which core it is must not matter."""
COMPILED_HOURS = 1.0
"""Hours of passes for two targets from which on compiling pays on a CPU: minutes, to save a tenth or two."""
TYPICAL_NODES = 30
ALIKE = 10.0
"""Times the rounding, that maps at nodes may differ by from those of eager passes."""


def choose_graphs(
    model: Model, example: Example, settings: Settings, form: str, ahead: int
) -> tuple[Graphs, str]:
    """Return what passes run as, tried on an example, and why; nothing where they stay eager by choice.

    On a GPU ``auto`` is to capture. On a CPU it is to compile where the operations that are ahead are worth
    it, and eager otherwise: numbers alone decide, so that two runs of a study take the same.

    Args:
        model: as `integrated_gradients` takes it.
        example: an image.
        settings: what is asked for; the micro-batch is known.
        form: a key of ``FORMS``, or ``auto``.
        ahead: images that are to be computed in all.
    """
    device, rows = example.image.device, rows_of(settings, example.image.device)
    precision = PRECISIONS[settings.precision]
    with frozen(model, precision, device) as forward, lifted(device):
        passes, why = passes_of(forward, settings), "as asked for"
        if form == "auto":
            form, why = _form_that_pays(passes, example, settings, ahead)
        graphs, batch = Graphs(form), spread(example, rows, precision.dtype)
        if form == "eager":
            return graphs, ""
        with warnings.catch_warnings(action="ignore"):
            found = graphs.values(passes, batch, rows)
        if graphs.refused is not None:
            return Graphs("eager"), graphs.refused
        try:
            wanted = passes.values(batch)
        except Exception as error:
            if not out_of_memory(error):
                raise
            return Graphs("eager"), f"passes eager: {form}, they leave no room beside them for a micro-batch"
        distance = largest_distance([found.maps.flatten()[None]], [wanted.maps.flatten()[None]])
        if not distance <= ALIKE * precision.rounding:
            return Graphs("eager"), f"passes eager: {form}, maps at nodes are {distance:.1e} off"
        return graphs, f"passes {form}: {why}"


def _form_that_pays(passes: Passes, example: Example, settings: Settings, ahead: int) -> tuple[str, str]:
    if example.image.device.type == "cuda":
        return "captured", "a GPU waits for whoever launches operations one by one"
    with FlopCounterMode(display=False) as counter:
        passes.values(spread(example, 1, passes.precision.dtype))
    nodes = TYPICAL_NODES if settings.steps == "auto" else settings.steps
    hours = ahead * nodes * counter.get_total_flops() / FLOPS_PER_HOUR
    enough = COMPILED_HOURS * (1 + len(example.targets)) / 3  # a graph has a backward pass for each target
    return ("compiled" if hours >= enough else "eager"), f"{hours:.1g} h of passes pay for compiling"
