"""PyTorch's side of `training.py`: an LSTM of the shape asked for, in a plain loop with Adam.

    RIVAL_PYTHON benchmarks/training_rival.py --units 100 --steps 14 --inputs 120 --rows 16384

Reads a batch size a line, trains one epoch with it, and answers `wall cpu`, seconds, on a line.
"""

from __future__ import annotations

import argparse
import sys
import time

import torch

THREADS = 2


class Network(torch.nn.Module):  # type: ignore[misc]  # PyTorch is in the environment of rivals only
    """An LSTM, and one number from its last state."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(inputs, units, batch_first=True)
        self.head = torch.nn.Linear(units, 1)

    def forward(self, series: torch.Tensor) -> torch.Tensor:
        """[row, 1] of [row, step, input]."""
        return self.head(self.lstm(series)[0][:, -1])


def epoch(network: Network, adam: torch.optim.Adam, series: torch.Tensor, truth: torch.Tensor, batch: int) -> None:
    """Every row once, in another order each time."""
    order = torch.randperm(len(series))
    for start in range(0, len(series), batch):
        part = order[start : start + batch]
        adam.zero_grad()
        torch.nn.functional.mse_loss(network(series[part]), truth[part]).backward()
        adam.step()


def main() -> None:
    """Answer until there are no more lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("units", "steps", "inputs", "rows"):
        parser.add_argument(f"--{name}", type=int, required=True)
    asked = parser.parse_args()
    torch.set_num_threads(THREADS)
    torch.manual_seed(7)
    series, truth = torch.randn(asked.rows, asked.steps, asked.inputs), torch.randn(asked.rows, 1)
    network = Network(asked.inputs, asked.units)
    adam = torch.optim.Adam(network.parameters())
    for line in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        epoch(network, adam, series, truth, int(line))
        sys.stdout.write(f"{time.perf_counter() - wall} {time.process_time() - cpu}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
