"""The figures of a run, as lines of JSON (log.jsonl) and as curves for TensorBoard (the folder tensorboard).

A run that goes on from step n takes out what a former one has written beyond n: what follows is written anew.
"""

import json
import time
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from avsep_plugin.atomic import write_text

HELD_OUT = "held_out_"


class Journal:
    """Open for writing in a run's folder, at the step from which the run goes on. Raises OutputError."""

    def __init__(self, folder: Path, step: int) -> None:
        self._lines = folder / "log.jsonl"
        if self._lines.is_file():
            _keep_until(self._lines, step)
        self._curves = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def write(self, step: int, figures: dict[str, float]) -> None:
        """Note figures after `step` updates, where there are any; `held_out_...` are a group of curves of their own."""
        if not figures:
            return
        with self._lines.open("a") as file:
            file.write(json.dumps({"step": step, **{name: float(f"{value:.6g}") for name, value in figures.items()}}) + "\n")
        for name, value in figures.items():
            tag = f"held_out/{name.removeprefix(HELD_OUT)}" if name.startswith(HELD_OUT) else f"train/{name}"
            self._curves.add_scalar(tag, value, step)
        self._curves.flush()

    def close(self) -> None:
        """Write what is not written yet."""
        self._curves.close()


class Clock:
    """How fast steps go: since it was last read, and since the run was begun here."""

    def __init__(self, step: int, batch_clips: int) -> None:
        self._clips = batch_clips
        self._begun = time.monotonic()
        self.go_on(step)

    def go_on(self, step: int) -> None:
        """Count from here on; what was done since the last reading, saving for example, is not the steps' own time."""
        self._step, self._since = step, time.monotonic()

    def read(self, step: int) -> dict[str, float]:
        """Seconds since the beginning, and clips a second since the last time."""
        now = time.monotonic()
        rate = (step - self._step) * self._clips / max(now - self._since, 1e-9)
        self.go_on(step)
        return {"seconds": now - self._begun, "clips_per_second": rate}


def _keep_until(path: Path, step: int) -> None:
    """Leave the whole lines up to a step; a last one that a crash has cut off does not count."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
    kept = [line for line in lines if json.loads(line)["step"] <= step]
    write_text("".join(kept), path)
