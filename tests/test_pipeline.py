"""The pipeline with a fake network: exact stems, no seams, no dependence on how the sound is fed, bounded memory."""

import math
import random
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from avsep_plugin.config import FusedConfig, ModelConfig, PictureConfig, StftConfig, WindowConfig
from avsep_plugin.dsp.levels import si_sdr
from avsep_plugin.dsp.masks import Highs
from avsep_plugin.dsp.stft import analyse, synthesise
from avsep_plugin.dsp.streams import OverlapAdd, SampleBuffer, to_stereo
from avsep_plugin.dsp.windows import Grid, Span
from avsep_plugin.errors import TooShortError
from avsep_plugin.models.fused import Alignment
from avsep_plugin.pipeline import Block, SeparateOptions, align, held, reconstruct, separate

RATES = [8000, 11025, 22050, 44100, 48000, 96000]
STFT = StftConfig(512, 128, 512)
Mask = Callable[[Tensor, int], Tensor]


def config(fixed: bool = False, rms: float | None = 0.1, hop: int = 12, context: int = 4, frame_rate: Fraction | int = 25) -> ModelConfig:
    return ModelConfig(
        sample_rate_hz=8000,
        input_rms=rms,
        stft=STFT,
        picture=PictureConfig(frame_rate=Fraction(frame_rate), stored_size=4, crop_size=4),
        window=WindowConfig(hop, context, fixed),
    )


class FakeSeparator(nn.Module):
    """A network whose answer is a formula: mask(sound's magnitude [bins, L], number of the call) -> [bins, L]."""

    def __init__(self, settings: ModelConfig, mask: Mask) -> None:
        super().__init__()
        self.config, self.mask = settings, mask
        self.anchor = nn.Parameter(torch.zeros(1))
        self.heard: list[Tensor] = []
        self.seen: list[Tensor] = []

    def masks(self, frames: Tensor, audio: Tensor) -> Tensor:
        assert audio.shape == (1, 2, self.config.window_samples(frames.shape[1]))
        self.heard.append(audio[0])
        self.seen.append(frames[0, :, 0, 0, 0])
        return self.mask(analyse(audio[0].mean(0), STFT).abs(), len(self.heard) - 1)[None]

    def original(self, frames: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        self.seen.append(frames[0, :, 0, 0, 0])
        spectrum = analyse(audio[:, 0], STFT)
        return synthesise(spectrum, STFT), synthesise(spectrum * -0.5, STFT)


class FakeAligner(nn.Module):
    """A class activation map that tells the number of the frame: cell t of a window holds the mean of its four pictures."""

    def __init__(self, settings: ModelConfig) -> None:
        super().__init__()
        self.config = settings
        self.anchor = nn.Parameter(torch.zeros(1))

    def forward(self, frames: Tensor, audio: Tensor) -> Alignment:
        assert audio.shape[1] == 2
        values = frames[0, :, :1, :2, 0].float()
        cells = torch.stack([cell.mean(0) for cell in values.split(4)])
        return Alignment(values.mean().reshape(1), cells[None])


def fake(settings: ModelConfig, mask: Mask) -> Any:
    """A fake separator in the place of a real one."""
    return FakeSeparator(settings, mask)


def ones(magnitude: Tensor, _: int) -> Tensor:
    return torch.ones_like(magnitude)


def zeros(magnitude: Tensor, _: int) -> Tensor:
    return torch.zeros_like(magnitude)


def loud(magnitude: Tensor, _: int) -> Tensor:
    return magnitude / (magnitude + magnitude.mean() + 1e-9)


def any_constant(magnitude: Tensor, call: int) -> Tensor:
    return torch.full_like(magnitude, random.Random(call).random())


def noise(samples: int, channels: int = 2, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(channels, samples, generator=torch.Generator().manual_seed(seed))


def tone(hz: float, samples: int, rate: int) -> Tensor:
    return 0.3 * torch.sin(2 * math.pi * hz * torch.arange(samples, dtype=torch.float64) / rate).float()[None]


def whole(sound: Tensor) -> list[Tensor]:
    return [sound]


def pieces(sound: Tensor, seed: int) -> Iterator[Tensor]:
    chooser, start = random.Random(seed), 0
    while start < sound.shape[1]:
        stop = start + chooser.choice([0, 1, 7, 100, 1000, 5000, 44100])
        yield sound[:, start:stop]
        start = stop


def numbered(start: int, count: int) -> Tensor:
    """Pictures filled with their own number."""
    return torch.arange(start, start + count, dtype=torch.uint8).reshape(-1, 1, 1, 1).expand(-1, 4, 4, 3)


def joined(blocks: Iterator[Block]) -> tuple[Tensor, Tensor]:
    mixtures, ons = zip(*blocks, strict=True)
    return torch.cat(mixtures, dim=1), torch.cat(ons, dim=1)


def run(mask: Mask, sound: Tensor, rate: int, fixed: bool = False, options: SeparateOptions | None = None) -> tuple[Tensor, Tensor]:
    return joined(separate(fake(config(fixed), mask), whole(sound), rate, numbered, options or SeparateOptions()))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("seconds", [0.064, 0.51, 1.2])
@pytest.mark.parametrize("fixed", [True, False])
def test_mask_of_ones_gives_the_mixture_bit_by_bit(rate: int, seconds: float, fixed: bool) -> None:
    sound = noise(int(rate * seconds) + 1, channels=1 if fixed else 2)
    mixture, on = run(ones, sound, rate, fixed)
    assert torch.equal(mixture, sound)
    assert torch.equal(on, sound)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_mask_of_zeros_leaves_nothing_on_screen(rate: int, channels: int) -> None:
    sound = noise(rate + 13, channels)
    _, on = run(zeros, sound, rate)
    assert on.shape == sound.shape
    assert on.abs().max() < 1e-6


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("fixed", [True, False])
def test_feeding_in_pieces_changes_nothing(rate: int, fixed: bool) -> None:
    sound = noise(rate + rate // 8 + 77)
    _, at_once = run(loud, sound, rate, fixed)
    for seed in range(2):
        _, in_pieces = joined(separate(fake(config(fixed), loud), pieces(sound, seed), rate, numbered))
        assert torch.equal(at_once, in_pieces)


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_tone_under_a_constant_mask_is_a_tone_of_that_level(rate: int) -> None:
    sound = tone(1000, rate, rate)
    _, on = run(lambda magnitude, _: torch.full_like(magnitude, 0.25), sound, rate)
    assert (on - 0.25 * sound).abs().max() < 1e-6


@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_mask_takes_one_of_two_tones(rate: int) -> None:
    low, high = tone(500, 2 * rate, rate), tone(2500, 2 * rate, rate)

    def lower(magnitude: Tensor, _: int) -> Tensor:
        return (torch.arange(magnitude.shape[0])[:, None] < 96).float().expand_as(magnitude)

    mixture, on = run(lower, low + high, rate)
    middle = slice(rate // 4, -rate // 4)
    assert si_sdr(on[:, middle], low[:, middle]).item() > 50
    assert si_sdr((mixture - on)[:, middle], high[:, middle]).item() > 50


@pytest.mark.parametrize(("highs", "gain"), [("keep", 1.0), ("cut", 0.0), ("follow", 0.5)])
def test_sound_above_the_models_band(highs: Highs, gain: float) -> None:
    sound = tone(15000, 48000, 48000)
    _, on = run(lambda magnitude, _: torch.full_like(magnitude, 0.5), sound, 48000, options=SeparateOptions(highs=highs))
    assert (on - gain * sound)[:, 4800:-4800].abs().max() < 1e-5


def test_seam_between_windows_is_a_fade_not_a_click() -> None:
    """With another constant mask in every window, a tone's level must glide: nothing may appear beside the tone's frequency."""
    rate, hz = 48000, 1000.0
    sound = tone(hz, 2 * rate, rate)
    _, on = run(any_constant, sound, rate)
    phase = 2 * math.pi * hz * torch.arange(sound.shape[1], dtype=torch.float64) / rate
    level = (on[0] * torch.exp(-1j * phase)).reshape(-1, 480).mean(dim=1).abs()
    steps = level.diff().abs()
    levels = torch.tensor([0.15 * random.Random(call).random() for call in range(5)])
    assert steps.max() < 0.5 * levels.diff().abs().max()
    beside = torch.fft.rfft(on[0].double() * torch.hann_window(sound.shape[1], dtype=torch.float64)).abs()
    bins = torch.arange(beside.numel()) * rate / sound.shape[1]
    assert beside[(bins - hz).abs() > 200].max() < 1e-4 * beside.max()


def test_window_boundaries_are_no_louder_than_the_rest() -> None:
    rate = 16000
    sound = noise(4 * rate, channels=1)
    _, on = run(any_constant, sound, rate)
    grid = Grid(config(), rate)
    jumps = on[0].diff().abs() / sound[0].diff().abs().mean()
    seams = [grid.native_sample(12 * number) for number in range(1, 8)]
    assert max(jumps[seam - 3 : seam + 3].max() for seam in seams) <= jumps.max()
    assert torch.stack([jumps[seam - 64 : seam + 64].square().mean() for seam in seams]).mean() < 1.3 * jumps.square().mean()


def test_silence_stays_silence() -> None:
    mixture, on = run(loud, torch.zeros(2, 30000), 48000)
    assert not mixture.any()
    assert not on.any()


def test_silent_channel_stays_silent_in_the_network_and_in_the_stems() -> None:
    sound = noise(30000)
    sound[1] = 0
    model = fake(config(), loud)
    _, on = joined(separate(model, whole(sound), 16000, numbered))
    assert not on[1].any()
    assert all(not heard[1].any() for heard in model.heard)


@pytest.mark.parametrize("fixed", [True, False])
def test_network_hears_the_file_at_the_models_rate_on_its_own_clock(fixed: bool) -> None:
    rate = 48000
    sound = tone(440, 2 * rate, rate)
    settings = config(fixed, rms=None)
    model = fake(settings, ones)
    list(separate(model, whole(sound), rate, numbered))
    start = Grid(settings, rate).window(2).model.start
    expected = tone(440, start + 3000, 8000)[0, start:]
    assert (model.heard[2][0, :3000] - expected).abs().max() < 2e-3


@pytest.mark.parametrize("fixed", [True, False])
def test_network_hears_every_window_at_the_wanted_level(fixed: bool) -> None:
    model = fake(config(fixed), ones)
    list(separate(model, whole(noise(48000)), 24000, numbered))
    inside = [heard[:, heard.any(dim=0)] for heard in model.heard]
    assert all(torch.allclose(part.square().mean(dim=1).sqrt(), torch.tensor(0.1), atol=2e-3) for part in inside)


def test_fixed_windows_hold_the_first_picture_before_the_file() -> None:
    model = fake(config(fixed=True), ones)
    list(separate(model, whole(noise(16000)), 16000, numbered))
    assert model.seen[0].tolist() == [0, 0, 0, 0, *range(16)]
    assert all(len(seen) == 20 for seen in model.seen)


def test_loose_windows_see_what_there_is() -> None:
    model = fake(config(), ones)
    list(separate(model, whole(noise(16000)), 16000, numbered))
    assert [(seen[0].item(), len(seen)) for seen in model.seen] == [(0, 16), (8, 17), (20, 8)]


@pytest.mark.parametrize("samples", [0, 1, 1023])
def test_less_than_one_frame_of_sound_is_refused(samples: int) -> None:
    with pytest.raises(TooShortError, match="at least 64 ms"):
        run(ones, noise(samples), 16000)


def test_one_frame_of_sound_is_enough() -> None:
    _, on = run(ones, noise(1024), 16000)
    assert on.shape == (2, 1024)


def test_memory_does_not_grow_with_the_length() -> None:
    rate, read, ahead = 16000, 0, 0

    def endless() -> Iterator[Tensor]:
        nonlocal read
        for number in range(100):
            read += 1600
            yield noise(1600, seed=number)

    done = 0
    for block in separate(fake(config(), ones), endless(), rate, numbered_forever):
        done += block.on.shape[1]
        ahead = max(ahead, read - done)
    assert done == 100 * 1600
    assert ahead < 3 * rate * 20 / 25


def numbered_forever(start: int, count: int) -> Tensor:
    return numbered(0, 1).expand(count + 0 * start, -1, -1, -1)


def test_progress_counts_the_seconds_that_are_done() -> None:
    seen: list[float] = []
    list(separate(fake(config(), ones), whole(noise(24000)), 16000, numbered, progress=seen.append))
    assert seen == pytest.approx([0.48, 0.96, 1.44, 1.5])


def test_bf16_runs_the_network_under_autocast_only() -> None:
    kinds: list[bool] = []

    def watch(magnitude: Tensor, _: int) -> Tensor:
        kinds.append(torch.is_autocast_enabled("cpu"))
        return torch.ones_like(magnitude).bfloat16()

    sound = noise(16000)
    _, on = run(watch, sound, 16000, options=SeparateOptions(precision="bf16"))
    assert set(kinds) == {True}
    assert torch.equal(on, sound)


@pytest.mark.parametrize(("rate", "samples"), [(8000, 8000), (16000, 40001), (48000, 100000)])
def test_original_covers_the_file_at_the_models_rate(rate: int, samples: int) -> None:
    parts = list(reconstruct(fake(config(), ones), whole(noise(samples)), rate, numbered))
    on, off = (torch.cat(stem, dim=1) for stem in zip(*parts, strict=True))
    assert on.shape == off.shape == (1, -(-samples * 8000 // rate))


def test_original_windows_begin_every_half_clip_and_the_first_one_wins() -> None:
    model = fake(config(rms=None), ones)
    sound = tone(300, 24000, 8000)
    parts = list(reconstruct(model, whole(sound), 8000, numbered))
    on = torch.cat([part.on for part in parts], dim=1)
    assert [seen[0].item() for seen in model.seen][:4] == [0, 10, 20, 30]
    reach = STFT.frame_count(6400) * 128 + 384
    assert torch.allclose(on[:, 200 : reach - 200], sound[:, 200 : reach - 200], atol=1e-4)
    assert [part.on.shape[1] for part in parts][:3] == [reach, 3200, 3200]


def test_original_is_clipped_to_full_scale() -> None:
    parts = list(reconstruct(fake(config(rms=2.0), ones), whole(noise(16000)), 8000, numbered))
    assert max(part.on.abs().max().item() for part in parts) == 1.0


@pytest.mark.parametrize("fixed", [True, False])
def test_heat_map_follows_the_pictures_without_gaps(fixed: bool) -> None:
    settings = ModelConfig(
        sample_rate_hz=8000,
        input_rms=None,
        stft=STFT,
        picture=PictureConfig(frame_rate=Fraction(25)),
        fused=FusedConfig(video_strides=(2, 2), trunk_time_strides=(1, 1)),
        window=WindowConfig(18, 9, fixed),
    )
    model: Any = FakeAligner(settings)
    found = align(model, whole(noise(8000 * 4)), 8000, numbered)
    values = found.heat_map.values[:, 0, 0]
    assert found.heat_map.step_seconds == Fraction(4, 25)
    assert found.heat_map.values.shape == (25, 1, 2)
    assert values[2:-2] == pytest.approx([4 * cell + 1.5 for cell in range(2, 23)], abs=0.01)
    assert [window.start_seconds for window in found.windows] == [number * Fraction(18, 25) for number in range(6)]
    assert [window.end_seconds for window in found.windows] == [*(number * Fraction(18, 25) for number in range(1, 6)), 4]


def test_held_pictures_repeat_at_both_ends() -> None:
    pictures = held(numbered(0, 3))
    assert pictures(-2, 7)[:, 0, 0, 0].tolist() == [0, 0, 0, 1, 2, 2, 2]


def test_buffer_gives_silence_outside_the_sound() -> None:
    buffer = SampleBuffer([torch.ones(1, 3), torch.full((1, 2), 2.0)])
    assert not buffer.fill(9)
    assert buffer.take(Span(-2, 7)).tolist() == [[0, 0, 1, 1, 1, 2, 2, 0, 0]]


def test_buffer_forgets_what_was_dropped() -> None:
    buffer = SampleBuffer(torch.ones(1, 10) for _ in range(5))
    buffer.fill(50)
    buffer.drop(35)
    assert buffer.held == 20
    with pytest.raises(ValueError, match="dropped"):
        buffer.take(Span(20, 40))


def test_overlap_add_wants_whole_hops() -> None:
    with pytest.raises(ValueError, match="whole number of hops"):
        OverlapAdd(StftConfig(500, 128, 512))


def test_mono_is_doubled() -> None:
    assert torch.equal(to_stereo(noise(10, 1)), noise(10, 1).repeat(2, 1))


def test_surround_is_downmixed_without_its_low_effects() -> None:
    left, right = to_stereo(torch.eye(6))
    assert left.tolist() == pytest.approx([1, 0, 0.7071, 0, 0.7071, 0], abs=1e-4)
    assert right.tolist() == pytest.approx([0, 1, 0.7071, 0, 0, 0.7071], abs=1e-4)


def test_other_channel_counts_are_averaged() -> None:
    assert torch.allclose(to_stereo(torch.eye(4)), torch.full((2, 4), 0.25))
