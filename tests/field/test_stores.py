"""Stores that are away, say nothing, refuse, or have no such bucket, behind every place that a user names."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from helpers import Command

from igbatch import filesystem, store_errors

OUT = "s3://bucket/out"
COMMANDS = {
    "plan": ("plan", "STUDY", "--out", OUT),
    "run": ("run", "STUDY", "--out", OUT),
    "demo": ("demo", "--out", OUT),
    "reduce": ("reduce", OUT),
    "report": ("report", OUT),
    "figures": ("report", OUT, "--format", "png"),
    "verify": ("verify", OUT),
    "audit": ("audit", OUT, "--against", "elsewhere"),
    "against": ("audit", "elsewhere", "--against", "one", "--against", OUT),
    "history": ("audit", "elsewhere", "--against", "one", "--history", OUT),
    "night": ("night", "STUDY", "--out", OUT),
    "nights": ("nights", OUT),
    "promote": ("promote", OUT, "20261126T020000Z"),
    "prune": ("prune", OUT),
    "root": ("plan", "ROOT"),
    "manifest": ("plan", "MANIFEST"),
    "boxes": ("plan", "BOXES"),
}
IMAGES = {
    "STUDY": {"scenes": [{"kind": "double", "seeds": [1]}]},
    "ROOT": {"root": OUT},
    "MANIFEST": {"manifest": OUT},
    "BOXES": {"root": "photos", "boxes": OUT},
}


@pytest.fixture(params=COMMANDS)
def arguments(request: pytest.FixtureRequest, write_study: Callable[..., Path]) -> list[str]:
    """The arguments of a command that names a place in a store."""
    return [
        str(write_study(images=IMAGES[word])) if word in IMAGES else word for word in COMMANDS[request.param]
    ]


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Credentials as users have them, and no store that other tests have in this environment."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "x.png").write_bytes(b"listed, not decoded")


@pytest.fixture
def refusing() -> Iterator[Callable[[int, str], str]]:
    """A store over HTTP that answers everything alike: (status, code) gives its endpoint."""
    servers: list[ThreadingHTTPServer] = []

    def start(status: int, code: str) -> str:
        class Answer(BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def __getattr__(self, name: str) -> Any:
                return self.answer if name.startswith("do_") else super().__getattribute__(name)

            def log_message(self, *arguments: Any) -> None:
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Answer))
        threading.Thread(target=servers[-1].serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_store_that_nobody_serves(
    call: Command, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystem, "S3_ATTEMPTS", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    call(*arguments).refused(f"{OUT}: the store does not answer", "Could not connect", "run it again", code=3)


def test_wrong_credentials(
    call: Command, arguments: list[str], monkeypatch: pytest.MonkeyPatch, refusing: Any
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", refusing(403, "InvalidAccessKeyId"))
    line = call(*arguments).refused(f"{OUT}: the store refuses", "check the credentials")
    assert "a-secret" not in line


def test_a_bucket_that_is_not_there(
    call: Command, arguments: list[str], monkeypatch: pytest.MonkeyPatch, refusing: Any
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", refusing(404, "NoSuchBucket"))
    call(*arguments).refused(f"{OUT}: there is no bucket bucket; make it, or check the address")


def test_a_store_that_accepts_and_says_nothing(
    call: Command, write_study: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limits of Amazon's library end it, here shorter ones than a user's."""
    monkeypatch.setattr(filesystem, "S3_ATTEMPTS", 1)
    monkeypatch.setattr(filesystem, "S3_LIMITS", {"connect_timeout": 0.5, "request_timeout": 0.5})
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        call("run", write_study(), "--out", OUT).refused(f"--out {OUT}: the store does not answer", code=3)


@pytest.mark.slow
def test_a_web_server_that_says_nothing(write_study: Callable[..., Path], tmp_path: Path) -> None:
    """No limit of a library's holds here but ours. As a process, whose end must not wait for its thread."""
    quick = "from igbatch import cli, store_errors; store_errors.ANSWER_SECONDS = 2.0; cli.entry()"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}/boxes.csv"
        study = write_study(images={"root": "photos", "boxes": uri})
        command = [sys.executable, "-c", quick, "plan", str(study)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(f"igbatch: images.boxes: {uri}: the store does not answer within 2 s; ")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever is not on this machine refuses; the hub's client keeps its proxy until it is closed."""
    huggingface_hub.close_session()
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    yield
    huggingface_hub.close_session()


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("uri", ["gs://bucket/out", "hf://datasets/somebody/birds"])
def test_a_store_behind_a_network_that_is_not_there(
    call: Command, write_study: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    """Google's library tries for 15 minutes by itself."""
    monkeypatch.setattr(store_errors, "ANSWER_SECONDS", 3.0)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nothing/here.json")
    for arguments, key in (
        (["verify", uri], "OUT"),
        (["plan", write_study(images={"root": uri})], "images.root"),
    ):
        call(*arguments).refused(f"{key}: {uri}", code=3)


def test_a_place_in_memory_is_one_process_alone(call: Command, write_study: Callable[..., Path]) -> None:
    call("verify", "memory://nothing/here").refused("memory://nothing/here", "no study here")


def test_a_folder_that_may_not_be_read(call: Command, write_study: Callable[..., Path]) -> None:
    call("run", write_study(), "--out", "/proc/1/out").refused("/proc/1/out", "cannot be written to")
