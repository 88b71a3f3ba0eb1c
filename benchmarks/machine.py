"""What the machine itself can do: the rate of a large matrix product."""

import time
from collections.abc import Callable

import torch

SIZE = 2048


def best_seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Shortest of a few timings, after one run that does not count."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def gemm_flops(dtype: torch.dtype) -> float:
    """Floating-point operations a second of a 2048 x 2048 matrix product."""
    a, b = (torch.randn(SIZE, SIZE).to(dtype) for _ in range(2))
    return 2 * SIZE**3 / best_seconds(lambda: a @ b)
