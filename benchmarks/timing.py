"""Times alternatives in turn, so that other load on the machine affects all of them alike."""

import time
from collections.abc import Callable, Mapping

ROUNDS = 3


def best_seconds(
    alternatives: Mapping[str, Callable[[], object]], rounds: int = ROUNDS
) -> dict[str, float]:
    """Best seconds of each alternative over interleaved rounds, after a warm-up round."""
    best = dict.fromkeys(alternatives, float("inf"))
    for round_index in range(rounds + 1):
        for name, run in alternatives.items():
            start_s = time.perf_counter()
            run()
            took_s = time.perf_counter() - start_s
            if round_index:
                best[name] = min(best[name], took_s)
    return best
