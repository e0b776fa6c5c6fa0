"""Downloads go on where they were cut off, begin anew where the server's file is another, and leave nothing behind."""

import contextlib
import hashlib
import http.server
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from hardsample import locks
from hardsample.data import download, fetching

CONTENT = bytes(range(256)) * 400
OTHER = CONTENT[::-1]


class Handler(http.server.BaseHTTPRequestHandler):
    """Sends at most ``server.share`` of what is asked for; ``server.ranges`` says whether parts may be asked for."""

    def do_GET(self):
        server = self.server
        asked, tag = self.headers.get("Range"), self.headers.get("If-Range")
        server.asked.append((asked, tag))
        content, begin = server.content, 0
        if asked and server.ranges and (server.careless or tag in (None, server.tag)):
            begin = int(asked.removeprefix("bytes=").removesuffix("-"))
        if begin and begin >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        if server.ranges:
            self.send_header("Accept-Ranges", "bytes")
        if server.tag:
            self.send_header("ETag", server.tag)
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        rest = content[begin:]
        with contextlib.suppress(ConnectionError):
            self.wfile.write(rest[: int(len(rest) * server.share)])
            self.wfile.flush()
            server.go_on.wait(60)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.content, server.tag, server.ranges, server.share, server.careless = CONTENT, '"1"', True, 1.0, False
    server.asked, server.go_on = [], threading.Event()
    server.go_on.set()
    server.url = f"http://127.0.0.1:{server.server_port}/file"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.go_on.set()
    server.shutdown()
    server.server_close()
    thread.join()


def fetch(server, path, content=CONTENT):
    fetching.fetch(server.url, path, hashlib.md5(content).hexdigest(), 30)


def cut_off(server, path, share=0.5, content=CONTENT):
    server.share = share
    with pytest.raises(OSError, match="bytes came"):
        fetch(server, path, content)
    server.share = 1.0


def names(folder):
    return sorted(path.name for path in folder.iterdir())


PARTS = [".file.gz.part", ".file.gz.part.json"]


def test_a_download_goes_on_where_it_was_cut_off(server, tmp_path):
    path, half = tmp_path / "file.gz", len(CONTENT) // 2
    cut_off(server, path)
    assert names(tmp_path) == PARTS
    cut_off(server, path)
    fetch(server, path)
    assert path.read_bytes() == CONTENT and names(tmp_path) == ["file.gz"]
    assert server.asked == [(None, None), (f"bytes={half}-", '"1"'), (f"bytes={half + half // 2}-", '"1"')]


@pytest.mark.parametrize("tag", ['"1"', ""])
def test_a_server_without_ranges_sends_all_again_and_nothing_is_kept(server, tmp_path, tag):
    server.ranges, server.tag = False, tag
    path = tmp_path / "file.gz"
    cut_off(server, path)
    assert names(tmp_path) == []
    fetch(server, path)
    assert path.read_bytes() == CONTENT and server.asked == [(None, None)] * 2


@pytest.mark.parametrize("careless", [False, True])  # does the server heed If-Range?
def test_a_file_that_changed_on_the_server_begins_anew(server, tmp_path, careless):
    path = tmp_path / "file.gz"
    cut_off(server, path)
    server.content, server.tag, server.careless = OTHER, '"2"', careless
    fetch(server, path, OTHER)
    assert path.read_bytes() == OTHER and names(tmp_path) == ["file.gz"]


@pytest.mark.parametrize("size", [len(CONTENT) - 7, 1000])
def test_a_file_of_another_size_begins_anew(server, tmp_path, size):
    server.tag = ""
    path = tmp_path / "file.gz"
    cut_off(server, path)
    server.content = OTHER[:size]
    fetch(server, path, OTHER[:size])
    assert path.read_bytes() == OTHER[:size]


def test_what_has_the_wrong_md5_is_not_kept(server, tmp_path):
    server.tag = ""
    path = tmp_path / "file.gz"
    cut_off(server, path)
    server.content = OTHER  # of the same size, and without a tag
    with pytest.raises(OSError, match="MD5"):
        fetch(server, path, OTHER)
    assert names(tmp_path) == []
    fetch(server, path, OTHER)
    assert path.read_bytes() == OTHER


def test_parts_that_are_damaged_begin_anew(server, tmp_path):
    path = tmp_path / "file.gz"
    for said in ("", "{", "[]", '{"url": 1}'):
        cut_off(server, path)
        (tmp_path / PARTS[1]).write_text(said)
        fetch(server, path)
        assert path.read_bytes() == CONTENT
        path.unlink()


CODE = """
import pathlib, sys
from hardsample.data.fetching import fetch
fetch(sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3], 60)
"""


def started(server, path):
    digest = hashlib.md5(CONTENT).hexdigest()
    return subprocess.Popen([sys.executable, "-c", CODE, server.url, str(path), digest])


def until(condition):
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    pytest.fail("it never came to that")


def test_a_killed_download_goes_on(server, tmp_path):
    path, part = tmp_path / "file.gz", tmp_path / PARTS[0]
    server.share, server.content = 0.5, CONTENT * 64  # of which a block is written before the rest is waited for
    server.go_on.clear()
    process = started(server, path)
    until(lambda: part.is_file() and part.stat().st_size > 0)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert set(names(tmp_path)) <= set(PARTS)
    server.share = 1.0
    server.go_on.set()
    fetch(server, path, server.content)
    assert path.read_bytes() == server.content and names(tmp_path) == ["file.gz"]
    assert server.asked[-1][0].startswith("bytes=")


def test_two_at_once_download_it_once(server, tmp_path):
    path = tmp_path / "file.gz"
    server.go_on.clear()
    processes = [started(server, path) for _ in range(2)]
    until(lambda: server.asked)
    server.go_on.set()
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    assert path.read_bytes() == CONTENT and names(tmp_path) == ["file.gz"] and len(server.asked) == 1


def test_what_older_versions_left_is_removed_and_nothing_else(server, tmp_path):
    old = time.time() - 7200
    left = {".abcd_123": "file.gz", ".efgh5678": "mine.gz", ".ijkl5678": "file.gz", "abcd_123": "file.gz"}
    for folder, file in left.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / file).write_bytes(b"half")
        if folder != ".ijkl5678":  # which may be of a process that lives
            os.utime(tmp_path / folder / file, (old, old))
    fetch(server, tmp_path / "file.gz")
    assert names(tmp_path) == [".efgh5678", ".ijkl5678", "abcd_123", "file.gz"]


def test_what_was_unpacked_by_a_killed_process_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(download.tempfile, "gettempdir", lambda: str(tmp_path))
    old = time.time() - 7200
    for name in ("hardsample-unpacked-left", "hardsample-unpacked-held", "mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.bin").write_bytes(b"much")
        os.utime(tmp_path / name, (old, old))
    with download._opened(tmp_path / "hardsample-unpacked-held") as descriptor:
        assert locks.lock(descriptor, wait=False)
        with download._scratch() as made:
            assert names(tmp_path) == sorted((made.name, "hardsample-unpacked-held", "mine"))
            assert made.is_dir()
    assert names(tmp_path) == ["hardsample-unpacked-held", "mine"]
