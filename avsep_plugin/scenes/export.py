"""Writes a scene as a media file: H.264 picture, the mixture as sound.

The same scene gives the same packets: the encoder's threads are fixed in number and no time of day goes into the file.
"""

import typing
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.container import OutputContainer
from av.error import FFmpegError

from avsep_plugin.atomic import atomic
from avsep_plugin.clip import Float32, UInt8
from avsep_plugin.errors import OutputError
from avsep_plugin.media.source import file_address
from avsep_plugin.media.write import LAYOUTS
from avsep_plugin.scenes.scene import RenderedScene, SceneConfig
from avsep_plugin.scenes.stage import Stage

SOUND_CODECS = {".mp4": "aac", ".m4v": "aac", ".mov": "pcm_s24le", ".mkv": "flac", ".avi": "pcm_s16le"}
AAC_BITS_PER_SECOND_PER_CHANNEL = 160_000
QUALITY_CRF = 16
BLOCK_SAMPLES = 1024
SAME_BYTES = {"fflags": "+bitexact"}


def write_scene(scene: RenderedScene | SceneConfig, path: Path) -> None:
    """Write pictures and mixture of a scene; the suffix of `path` decides the container (.mp4 .m4v .mov .mkv .avi).

    A config is rendered on the way, in bounded memory. Raises OutputError for another suffix, odd picture sizes (H.264 in yuv420p
    has none), a number of channels without a layout, or where FFmpeg cannot write.
    """
    if isinstance(scene, SceneConfig):
        stage = Stage(scene)
        _write(path, stage.frames(), scene.frame_rate, scene.width, scene.height, stage.truth.mixture, scene.sample_rate_hz)
    else:
        write_clip(path, scene.frames, scene.frame_rate, scene.mixture, scene.sample_rate_hz)


def write_clip(path: Path, frames: UInt8, frame_rate: Fraction, mixture: Float32, sample_rate_hz: int) -> None:
    """Write pictures [N, H, W, 3] and sound [C, n] that are in memory, as `write_scene` does."""
    _write(path, frames, frame_rate, frames.shape[2], frames.shape[1], mixture, sample_rate_hz)


def _write(
    path: Path, frames: Iterable[UInt8], frame_rate: Fraction, width: int, height: int, mixture: Float32, sample_rate_hz: int
) -> None:
    codec, layout = SOUND_CODECS.get(path.suffix.lower()), LAYOUTS.get(mixture.shape[0])
    if codec is None:
        raise OutputError(f"A scene cannot be written as '{path.suffix}'; use one of {', '.join(SOUND_CODECS)}.")
    if width % 2 or height % 2 or layout is None:
        raise OutputError(
            f"A scene of {width}x{height} pixels and {mixture.shape[0]} channels cannot be written: even sizes, 1 to 8 channels."
        )
    with _ffmpeg_errors(path), atomic(path) as temporary, av.open(file_address(temporary), "w", options=dict(SAME_BYTES)) as container:
        video = container.add_stream("libx264", rate=frame_rate, options={"crf": str(QUALITY_CRF), "preset": "veryfast", "bf": "0"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.codec_context.thread_count = 2
        audio = typing.cast(av.AudioStream, container.add_stream(codec, rate=sample_rate_hz, layout=layout))
        if codec == "aac":
            audio.bit_rate = AAC_BITS_PER_SECOND_PER_CHANNEL * mixture.shape[0]
        _encode(container, video, frames, audio, _sound_frames(mixture, sample_rate_hz, layout, audio.format.name))


def _encode(
    container: OutputContainer,
    video: av.VideoStream,
    frames: Iterable[UInt8],
    audio: av.AudioStream,
    sound: Iterator[tuple[Fraction, av.AudioFrame]],
) -> None:
    """Encode both streams side by side in time, so that the file is well interleaved."""
    frame_seconds = 1 / Fraction(video.codec_context.framerate)
    for index, picture in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
        frame.pts, frame.time_base = index, frame_seconds
        container.mux(video.encode(frame))
        for start_seconds, block in sound:
            container.mux(audio.encode(block))
            if start_seconds > (index + 1) * frame_seconds:
                break
    for _, block in sound:
        container.mux(audio.encode(block))
    container.mux(audio.encode(None))
    container.mux(video.encode(None))


def _sound_frames(mixture: Float32, sample_rate_hz: int, layout: str, sample_format: str) -> Iterator[tuple[Fraction, av.AudioFrame]]:
    """(start in seconds, frame): the mixture in blocks of the encoder's sample format (float planar, 16 or 32 bit interleaved)."""
    for start in range(0, mixture.shape[1], BLOCK_SAMPLES):
        block = mixture[:, start : start + BLOCK_SAMPLES]
        if sample_format == "fltp":
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout=layout)
        elif sample_format.startswith("s16"):
            frame = av.AudioFrame.from_ndarray(_integers(block, 16).astype(np.int16), format="s16", layout=layout)
        else:
            frame = av.AudioFrame.from_ndarray(_integers(block, 24) << 8, format="s32", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = sample_rate_hz, start, Fraction(1, sample_rate_hz)
        yield Fraction(start, sample_rate_hz), frame


def _integers(block: Float32, bits: int) -> npt.NDArray[np.int32]:
    """[C, n] in [-1, 1] -> [1, n * C] interleaved whole levels of that many bits."""
    full = 2 ** (bits - 1)
    levels = np.clip(np.rint(block.T.astype(np.float64) * full), -full, full - 1)
    return np.asarray(levels.reshape(1, -1), dtype=np.int32)


@contextmanager
def _ffmpeg_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (FFmpegError, FileNotFoundError, PermissionError) as exc:
        raise OutputError(f"{path} cannot be written: {exc.strerror or exc}.") from exc
