"""Downloads from a server on this machine that breaks off, changes its mind, or lies."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from avsep_plugin.download import discard, download
from avsep_plugin.errors import DownloadError

CONTENT = bytes(range(256)) * 4000


class Server(http.server.ThreadingHTTPServer):
    """Serves `content` at every path but /missing; breaks off after `break_after` bytes of an answer, `breaks` times."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.etag = CONTENT, '"1"'
        self.breaks, self.break_after = 0, 300_000
        self.knows_ranges = True
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/nets.zip"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range")
        server.asked.append(wanted)
        if self.path == "/missing":
            self.send_error(404)
            return
        start = 0
        if wanted and server.knows_ranges and self.headers.get("If-Range") == server.etag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        else:
            self.send_response(200)
        body = server.content[start:]
        self.send_header("ETag", server.etag)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.breaks:
            server.breaks -= 1
            body = body[: server.break_after]
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is said."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_file_is_fetched_whole(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    path = download([server.url], tmp_path / "new" / "nets.zip", lambda have, size: seen.append((have, size)))
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [file.name for file in path.parent.iterdir()] == ["nets.zip"]


def test_a_broken_transfer_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.breaks = 3
    assert download([server.url], tmp_path / "nets.zip", pause_seconds=0).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-", "bytes=600000-", "bytes=900000-"]


def test_a_later_call_goes_on_too(server: Server, tmp_path: Path) -> None:
    server.breaks, server.break_after = 1000, 0
    with pytest.raises(DownloadError, match="go on from here"):
        download([server.url], tmp_path / "nets.zip", pause_seconds=0)
    server.breaks, server.break_after = 1, 5000
    download([server.url], tmp_path / "nets.zip", pause_seconds=0)
    assert server.asked[-1] == "bytes=5000-"


def test_another_version_is_never_joined_to_the_first(server: Server, tmp_path: Path) -> None:
    server.breaks = 1

    def change(have: int, _size: int | None) -> None:
        if have == 300_000:
            server.content, server.etag = CONTENT[::-1], '"2"'

    assert download([server.url], tmp_path / "nets.zip", change, pause_seconds=0).read_bytes() == CONTENT[::-1]


def test_a_server_without_ranges_sends_all_again(server: Server, tmp_path: Path) -> None:
    server.breaks, server.knows_ranges = 1, False
    assert download([server.url], tmp_path / "nets.zip", pause_seconds=0).read_bytes() == CONTENT


def test_the_next_address_is_tried(server: Server, tmp_path: Path) -> None:
    missing = server.url.replace("nets.zip", "missing")
    assert download([missing, server.url], tmp_path / "nets.zip", pause_seconds=0).read_bytes() == CONTENT
    with pytest.raises(DownloadError, match="404"):
        download([missing], tmp_path / "other.zip", pause_seconds=0)
    assert not (tmp_path / "other.zip").exists()


def test_what_is_there_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "nets.zip").write_bytes(b"mine")
    assert download([server.url], tmp_path / "nets.zip").read_bytes() == b"mine"
    assert server.asked == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/a.zip", "nets.zip"])
def test_only_http_is_spoken(url: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="no http"):
        download([url], tmp_path / "nets.zip")


def test_a_full_disk_is_said_before_anything_is_fetched(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avsep_plugin.download.shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(DownloadError, match="GB are free"):
        download([server.url], tmp_path / "nets.zip")
    assert list(tmp_path.iterdir()) == []


def test_discard_leaves_nothing(server: Server, tmp_path: Path) -> None:
    server.breaks, server.break_after = 1000, 0
    with pytest.raises(DownloadError):
        download([server.url], tmp_path / "nets.zip", pause_seconds=0)
    discard(tmp_path / "nets.zip")
    assert list(tmp_path.iterdir()) == []
