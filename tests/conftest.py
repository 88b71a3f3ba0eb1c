"""Shared fixtures: tiny clips made by PyAV and tiny models with random weights. Nothing here is downloaded or kept."""

import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import google_crc32c
import numpy as np
import numpy.typing as npt
import pytest
import torch

from avsep_plugin.config import FusedConfig, ModelConfig, PictureConfig, SeparatorConfig, StftConfig, WindowConfig

MakeClip = Callable[..., Path]
WriteBundle = Callable[[Path, dict[str, npt.NDArray[np.generic]]], None]


@pytest.fixture(autouse=True)
def _random_state_restored() -> Iterator[None]:
    """No test changes what the next one draws."""
    numpy_state, torch_state = np.random.get_state(), torch.get_rng_state()
    yield
    np.random.set_state(numpy_state)
    torch.set_rng_state(torch_state)


@pytest.fixture(autouse=True)
def model_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of imported models of this test alone; what the user has imported is never seen."""
    folder = tmp_path_factory.mktemp("models") / "store"
    monkeypatch.setenv("AVSEP_MODEL_DIR", str(folder))
    return folder


@pytest.fixture(autouse=True)
def preset_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of presets, of this test alone; it is not there yet."""
    folder = tmp_path_factory.mktemp("settings") / "presets"
    monkeypatch.setenv("AVSEP_PRESET_DIR", str(folder))
    return folder


@pytest.fixture
def write_bundle() -> WriteBundle:
    """write_bundle(prefix, tensors): a TensorFlow V2 checkpoint, its index in one block with shared beginnings of the keys."""

    def write(prefix: Path, tensors: dict[str, npt.NDArray[np.generic]]) -> None:
        prefix.parent.mkdir(parents=True, exist_ok=True)
        data, items = b"", [(b"", _field(1, 1) + _field(3, _field(1, 1)))]
        for name in sorted(tensors):
            array, raw = tensors[name], tensors[name].tobytes()
            kind = {"float32": 1, "float64": 2, "int64": 9}[str(array.dtype)]
            shape = b"".join(_field(2, _field(1, length)) for length in array.shape)
            crc = struct.pack("<BI", 6 << 3 | 5, _masked(raw))
            items.append((name.encode(), _field(1, kind) + _field(2, shape) + _field(4, len(data)) + _field(5, len(raw)) + crc))
            data += raw
        block, last = b"", b""
        for key, value in items:
            shared = next((n for n, (a, b) in enumerate(zip(last, key, strict=False)) if a != b), min(len(last), len(key)))
            block += _varint(shared) + _varint(len(key) - shared) + _varint(len(value)) + key[shared:] + value
            last = key
        blocks, places = b"", []
        for content in (block, b"", None):
            content = _varint(0) + _varint(1) + _varint(len(places[0])) + b"~" + places[0] if content is None else content
            content += struct.pack("<II", 0, 1)
            places.append(_varint(len(blocks)) + _varint(len(content)))
            blocks += content + struct.pack("<BI", 0, _masked(content + b"\0"))
        footer = (places[1] + places[2]).ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)
        prefix.with_name(f"{prefix.name}.index").write_bytes(blocks + footer)
        prefix.with_name(f"{prefix.name}.data-00000-of-00001").write_bytes(data)

    return write


def _varint(number: int) -> bytes:
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def _field(number: int, value: int | bytes) -> bytes:
    """A field of a protocol-buffer message."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _masked(data: bytes) -> int:
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@pytest.fixture(scope="session")
def make_clip() -> MakeClip:
    """make_clip(path, seconds=1.0, picture=True, sound=True): 25 pictures/s of 64x48 with a moving bar, 16 kHz stereo PCM or AAC."""

    def make(path: Path, seconds: float = 1.0, *, picture: bool = True, sound: bool = True, sample_rate_hz: int = 16000) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            video = container.add_stream("mpeg4", rate=25) if picture else None
            codec = "aac" if path.suffix == ".mp4" else "pcm_s16le"
            audio = container.add_stream(codec, rate=sample_rate_hz, layout="stereo") if sound else None
            if video is not None:
                video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
                for index in range(round(25 * seconds)):
                    frame = av.VideoFrame.from_ndarray(_bar(index), format="rgb24")
                    frame.pts, frame.time_base = index, Fraction(1, 25)
                    container.mux(video.encode(frame))
                container.mux(video.encode(None))
            if audio is not None:
                samples = _chord(round(sample_rate_hz * seconds), sample_rate_hz)
                for start in range(0, samples.shape[1], 1024):
                    part = np.ascontiguousarray(samples[:, start : start + 1024])
                    block = av.AudioFrame.from_ndarray(part, format="s16p", layout="stereo")
                    block.sample_rate, block.pts, block.time_base = sample_rate_hz, start, Fraction(1, sample_rate_hz)
                    for converted in av.AudioResampler(audio.format.name, "stereo", sample_rate_hz).resample(block):
                        container.mux(audio.encode(converted))
                container.mux(audio.encode(None))
        return path

    return make


def _bar(index: int) -> np.ndarray:
    picture = np.full((48, 64, 3), 60, np.uint8)
    picture[:, index % 56 : index % 56 + 8] = (220, 180, 40)
    return picture


def _chord(samples: int, sample_rate_hz: int) -> np.ndarray:
    """[2, samples] int16: two tones left, two right, with a slow swell."""
    time = np.arange(samples) / sample_rate_hz
    tones = [[220, 554], [330, 1320]]
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * 3 * time)
    return np.array([sum(5000 * swell * np.sin(2 * np.pi * hz * time) for hz in pair) for pair in tones]).astype(np.int16)


def _tiny_config(task: str) -> ModelConfig:
    """A network of the bundled model's kind, a few thousand weights."""
    return ModelConfig(
        name=f"tiny-{task}",
        task="align" if task == "align" else "separate",
        sample_rate_hz=16000,
        input_rms=0.1,
        picture=PictureConfig(Fraction(25), stored_size=40, crop_size=32, channels=1),
        stft=StftConfig(frame_samples=512, hop_samples=256, fft_size=512),
        fused=FusedConfig(
            audio_widths=(8, 8, 8, 8), audio_strides=(4, 4, 4, 4, 2), audio_kernels=(33, 9), audio_fused_width=8,
            video_width=8, video_kernel=(5, 5, 5), video_strides=(2, 1), fusion_width=8, trunk_widths=(12, 12, 12),
            trunk_time_strides=(1, 1), scale_gamma=True,
        ),
        separator=SeparatorConfig(kind="recurrent", head="mask", width=8, layers=1, spectrogram_channel="mean", min_db=-50, max_db=40),
        window=WindowConfig(hop_frames=20, context_frames=4, fixed=False),
    )  # fmt: skip


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Weights files of a separator ("separate") and an aligner ("align") with random weights."""
    from avsep_plugin.models import checkpoint

    folder = tmp_path_factory.mktemp("models")
    torch_state = torch.get_rng_state()
    torch.manual_seed(0)
    for task in ("separate", "align"):
        config = _tiny_config(task)
        checkpoint.save(folder / f"{task}.safetensors", config, checkpoint.build(config).state_dict())
    torch.set_rng_state(torch_state)
    return {task: folder / f"{task}.safetensors" for task in ("separate", "align")}
