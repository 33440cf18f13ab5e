"""The webhook against a server of our own on 127.0.0.1."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from igbatch.audit import webhook
from igbatch.audit.verdict import Audit
from igbatch.audit.webhook import ATTEMPTS, message, notify
from igbatch.study import Webhook

SECRET = "T0P-s3cret-token"
SETTINGS = Webhook(variable="CHAT_URL")
Make = Callable[..., Audit]


class Chat:
    """A server that answers with the statuses it is given, the last one again and again."""

    def __init__(self) -> None:
        self.statuses: list[int] = [200]
        self.headers: dict[str, str] = {}
        self.bodies: list[Any] = []
        chat = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == f"/hook/{SECRET}"
                assert self.headers["Content-Type"] == "application/json"
                chat.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                left = chat.statuses
                self.send_response(left.pop(0) if len(left) > 1 else left[0])
                for name, value in {"Content-Length": "0", **chat.headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook/{SECRET}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def chat() -> Iterator[Chat]:
    server = Chat()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What is waited between attempts, without waiting."""
    taken: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", taken.append)
    return taken


def warnings(audit: Audit, url: str | None, settings: Webhook | None = SETTINGS) -> list[str]:
    """Tell, and return the warnings."""
    lines: list[str] = []
    notify(audit, settings, {} if url is None else {"CHAT_URL": url}, say=lines.append, backoff=0.001)
    return lines


def test_the_verdict_arrives_as_json(audit_of: Make, chat: Chat) -> None:
    assert warnings(audit_of(), chat.url) == []
    (body,) = chat.bodies
    assert body == message(audit_of())
    assert (body["study"], body["passed"], body["uri"]) == ("eagle", False, "/nights/new")
    assert body["made_at"] == "2026-11-26T02:03:04Z"
    assert [(each["role"], each["check"]) for each in body["failed"]] == [("reference", "box_sums")]
    assert "1 of 3 checks failed" in body["text"]
    assert "Box sums changed" in body["text"]


def test_nothing_is_sent_unless_the_study_says_so(audit_of: Make, chat: Chat) -> None:
    assert warnings(audit_of(), chat.url, None) == []
    rarely = Webhook(variable="CHAT_URL", when="failed")
    assert warnings(audit_of(failed=False), chat.url, rarely) == []
    assert chat.bodies == []
    warnings(audit_of(), chat.url, rarely)
    assert len(chat.bodies) == 1


def test_faults_of_the_server_are_tried_again(audit_of: Make, chat: Chat, waits: list[float]) -> None:
    chat.statuses = [503, 429, 200]
    assert warnings(audit_of(), chat.url) == []
    assert len(chat.bodies) == 3
    assert len(waits) == 2


def test_what_the_server_refuses_is_not_tried_again(audit_of: Make, chat: Chat) -> None:
    chat.statuses = [400]
    (warning,) = warnings(audit_of(), chat.url)
    assert "400" in warning
    assert len(chat.bodies) == 1


def test_attempts_have_an_end(audit_of: Make, chat: Chat) -> None:
    chat.statuses = [500]
    (warning,) = warnings(audit_of(), chat.url)
    assert "500" in warning
    assert len(chat.bodies) == ATTEMPTS


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        ("7", 7, 7),
        ("86400", webhook.MAX_WAIT_SECONDS, webhook.MAX_WAIT_SECONDS),
        ("a date an hour away", webhook.MAX_WAIT_SECONDS, webhook.MAX_WAIT_SECONDS),
        ("soon", 0, 1),
        ("-3", 0, 1),
    ],
)
def test_the_server_says_when_to_come_again_within_a_limit(
    audit_of: Make, chat: Chat, waits: list[float], value: str, least: float, most: float
) -> None:
    if value == "a date an hour away":
        value = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    chat.statuses, chat.headers = [429, 200], {"Retry-After": value}
    assert warnings(audit_of(), chat.url) == []
    (wait,) = waits
    assert least <= wait <= most


@pytest.mark.parametrize("target", ["file:///etc/passwd", "https://127.0.0.1:1/", "/elsewhere"])
def test_redirects_are_not_followed(audit_of: Make, chat: Chat, target: str) -> None:
    chat.statuses, chat.headers = [302], {"Location": target}
    (warning,) = warnings(audit_of(), chat.url)
    assert "redirect" in warning
    assert len(chat.bodies) == 1


def test_a_server_that_is_down_is_given_up(audit_of: Make, chat: Chat, waits: list[float]) -> None:
    chat.close()
    (warning,) = warnings(audit_of(), chat.url)
    assert "no answer" in warning
    assert len(waits) == ATTEMPTS - 1


def test_a_variable_that_is_not_set_is_a_warning_that_names_it(audit_of: Make) -> None:
    (warning,) = warnings(audit_of(), None)
    assert "CHAT_URL was not notified: the variable is not set" in warning
    assert "\n" not in warning


@pytest.mark.parametrize(
    "url",
    [f"file:///{SECRET}", f"ftp://h/{SECRET}", SECRET, f"http://h ost/{SECRET}", f"http://h/\x7f{SECRET}",
     f"http://[{SECRET}", f"http://h:{SECRET}/", f"http:///{SECRET}", f"http://é.{'x' * 70}/{SECRET}",
     f"http://127.0.0.1:1/{SECRET}"],
)  # fmt: skip
def test_the_url_is_never_printed(
    audit_of: Make, url: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        (warning,) = warnings(audit_of(), url)
        notify(audit_of(), SETTINGS, {"CHAT_URL": url}, backoff=0.001)  # to standard error
    printed = capfd.readouterr()
    assert "was not notified" in printed.err
    for text in (warning, printed.err, printed.out, caplog.text):
        assert SECRET not in text
        assert url not in text
