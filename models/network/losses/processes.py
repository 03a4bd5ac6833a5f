"""Statistics of losses that several processes learn with together."""

from torch import Tensor, distributed


def sum_over_processes(value: Tensor) -> Tensor:
    """The sum of every process's value, in all of them; the value itself where there is one."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return value
    total = value.clone()
    distributed.all_reduce(total)
    return total
