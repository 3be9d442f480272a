"""Work on a second stream of a CUDA device, beside that of the current stream."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import torch
from torch import Tensor

__all__ = ["beside"]


def beside(function: Callable[[Tensor], Tensor], given: Tensor) -> Callable[[], Tensor]:
    """Queue a function's work on a side stream, which the device may run while it runs what is queued next.

    The side stream begins after all that the current stream holds, and the result's stream waits for its end, so that
    both see each other's memory complete. The host waits for neither.

    Parameters
    ----------
    function
        Queues work on the current stream of the device and does not wait for it.
    given
        Its argument. On a CPU the function is called when its result is asked for.

    Returns
    -------
    A function that returns the result, to be called once, on the stream that uses it.
    """
    if given.device.type != "cuda":
        return partial(function, given)
    before, side = torch.cuda.current_stream(given.device), _side_stream(given.device)
    side.wait_stream(before)
    with torch.cuda.stream(side):
        result = function(given)
        done = side.record_event()
    given.record_stream(side)

    def joined() -> Tensor:
        after = torch.cuda.current_stream(given.device)
        after.wait_event(done)
        result.record_stream(after)
        return result

    return joined


@lru_cache(maxsize=16)
def _side_stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
