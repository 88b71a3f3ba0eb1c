"""Everything that a user can cause to go wrong.

AvsepError                      exit code 1, one line
├── MediaError                  something about a file
│   ├── MediaNotFoundError      no such file (also a FileNotFoundError)
│   ├── NotMediaError           FFmpeg does not know it, or it is empty
│   ├── DamagedMediaError       FFmpeg knows it and reports damage
│   ├── NoAudioError            no sound in it
│   ├── NoVideoError            no picture in it
│   └── TooShortError           fewer samples than one analysis frame
├── OutputError                 an output cannot be written
├── ModelError                  unknown model, foreign or damaged weights file
├── DownloadError               a file cannot be fetched
├── ConfigError                 bad configuration or preset (also a ValueError)
├── SidecarError                a sidecar of finished work is damaged or of another version (also a ValueError)
├── FolderBusyError             another avsep works in that folder
├── WorkerError                 worker processes cannot be started
├── DataError                   a training or evaluation set is unusable
└── NothingToDoError            a folder with no media in it
"""


class AvsepError(Exception):
    """Root of all errors a user can cause; its text is one clear sentence."""


class MediaError(AvsepError):
    """Something about a media file."""


class MediaNotFoundError(MediaError, FileNotFoundError):
    """The named file does not exist."""


class NotMediaError(MediaError, ValueError):
    """The file is empty or FFmpeg does not recognise it as media."""


class DamagedMediaError(MediaError, ValueError):
    """FFmpeg recognises the file and reports damage in it."""


class NoAudioError(MediaError, ValueError):
    """The file has no sound."""


class NoVideoError(MediaError, ValueError):
    """The file has no picture."""


class TooShortError(MediaError, ValueError):
    """The sound is shorter than one analysis frame of the model."""


class OutputError(AvsepError, OSError):
    """An output cannot be written."""


class ModelError(AvsepError, ValueError):
    """A model is unknown, or its weights file is foreign or damaged."""


class DownloadError(AvsepError, OSError):
    """A file cannot be fetched."""


class ConfigError(AvsepError, ValueError):
    """A configuration or preset is wrong."""


class SidecarError(AvsepError, ValueError):
    """The file that says what was made of a clip is damaged, or of a version that this program does not know."""


class FolderBusyError(AvsepError):
    """Another run of avsep is working in a clip's folder."""


class WorkerError(AvsepError, RuntimeError):
    """The processes that do the work cannot be started."""


class DataError(AvsepError, ValueError):
    """A training or evaluation set is unusable."""


class NothingToDoError(AvsepError):
    """The inputs hold no media."""
