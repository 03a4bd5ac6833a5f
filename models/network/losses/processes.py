"""Statistics of losses, summed over the processes of a distributed training."""

from torch import Tensor, distributed


def sum_over_processes(value: Tensor) -> Tensor:
    """The sum of all processes' values, the same in each; the value itself outside distribution."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return value
    total = value.clone()
    distributed.all_reduce(total)
    return total
