"""Rendered scenes with exact truth: talking faces, bouncing and struck objects, off-screen voice and noise. numpy only."""

from avsep_plugin.scenes.clips import TalkingClip, demo_config, random_config, training_clip
from avsep_plugin.scenes.export import write_scene
from avsep_plugin.scenes.identity import TEST_IDENTITIES, TRAIN_IDENTITIES, Split
from avsep_plugin.scenes.scene import (
    Ball,
    Box,
    BoxTrack,
    OffScreenNoise,
    OffScreenVoice,
    RenderedScene,
    SceneConfig,
    Struck,
    TalkingFace,
    Truth,
)
from avsep_plugin.scenes.stage import Stage, render

__all__ = [
    "TEST_IDENTITIES",
    "TRAIN_IDENTITIES",
    "Ball",
    "Box",
    "BoxTrack",
    "OffScreenNoise",
    "OffScreenVoice",
    "RenderedScene",
    "SceneConfig",
    "Split",
    "Stage",
    "Struck",
    "TalkingClip",
    "TalkingFace",
    "Truth",
    "demo_config",
    "random_config",
    "render",
    "training_clip",
    "write_scene",
]
