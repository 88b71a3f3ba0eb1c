"""Reads the sound and the picture of a file, each through a container of its own, in bounded memory.

Time is the file's own clock (timestamps, in Fractions). Everything downstream counts from the first sample of the sound:

    file clock   |----------|-----------------------------------> seconds
                 0     start_seconds
    samples                 0 1 2 3 ...          sample n sounds at start_seconds + n / sample_rate_hz
    frames                  [ 0 ][ 1 ][ 2 ] ...  frame i is what is displayed at origin + (i + 1/2) / frame_rate
"""

from avsep_plugin.media.picture import FrameReader, PictureReader, centre_crop, picture_area
from avsep_plugin.media.sound import AudioReader, Gap

__all__ = ["AudioReader", "FrameReader", "Gap", "PictureReader", "centre_crop", "picture_area"]
