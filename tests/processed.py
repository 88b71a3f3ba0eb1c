"""A processed folder for tests of the report: made by the real tasks with tiny models, of clips whose names hold whatever a name can."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from avsep_plugin import sidecar
from avsep_plugin.batch import report, run
from avsep_plugin.discover import find
from avsep_plugin.tasks import LocalizeTask, SeparateTask

MakeClip = Callable[..., Path]
MARKUP = '<img src=x onerror="boom()">\'&amp;\n#?%41é.mov'
"""The name of a clip: markup, both quotes, an entity, a line break, and what means something in an address."""
FAILED = "cards/</script><script>boom()</script>.mp4"


def process(top: Path, make_clip: MakeClip, models: dict[str, Path]) -> Path:
    """Separate and localise three clips of TOP/footage into TOP/out, of 1, 2 and 3 seconds; a fourth one is no clip and fails."""
    make_clip(top / "footage" / "b-long.mov", 3.0)
    make_clip(top / "footage" / "a-short.mp4", 1.0)
    make_clip(top / "footage" / "day 2" / MARKUP, 2.0)
    out = top / "out"
    rows = []
    for task in (
        SeparateTask(str(models["separate"]), "cpu", {"confidence": "csv"}, aligner=str(models["align"])),
        LocalizeTask(str(models["align"]), "cpu"),
    ):
        rows = list(run(find([top / "footage", top / FAILED], out), task))
    for path in out.rglob("localize.avsep.json"):  # whether random weights draw anything is no matter
        known = sidecar.read(path)
        assert known is not None
        sidecar.write(dataclasses.replace(known, warnings=()), path)
    assert [row.status for row in rows] == ["error", "done", "done", "done"]
    (out / "batch.json").write_text(report(rows).replace(str(top / FAILED), FAILED), encoding="utf-8")
    return out
