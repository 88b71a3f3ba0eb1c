"""Which files a separation will write, before anything is separated. Imports no torch."""

from pathlib import Path

from avsep_plugin.deliver import output_names
from avsep_plugin.errors import AvsepError
from avsep_plugin.media.probe import probe
from avsep_plugin.options import DEFAULT_FILE_OPTIONS, SeparateFileOptions


def separation_outputs(source: Path, out_dir: Path, options: SeparateFileOptions = DEFAULT_FILE_OPTIONS) -> dict[str, Path]:
    """The files that `files.separate_file` will write, by kind. For `track` "all" it looks how many tracks there are; one if that fails."""
    is_numbered = options.track == "all"
    tracks = range(_track_count(source, options.tolerate_damage)) if options.track == "all" else [options.track]
    names = output_names(source, options.deliver, tracks, is_numbered, options.file_format, options.container, options.confidence)
    return {kind: out_dir / name for kind, name in names.items()}


def _track_count(source: Path, tolerate_damage: bool) -> int:
    """Sound tracks of a clip; 1 where it cannot be read, which is said when it is worked on."""
    try:
        return max(1, len(probe(source, tolerate_damage).audio))
    except AvsepError:
        return 1
