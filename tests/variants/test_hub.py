"""Weights at timm's hub: the cache alone, or one question to a hub that answers, refuses, or says nothing."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import huggingface_hub
import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from igbatch.errors import IgbatchError, InputError, UnfinishedError
from igbatch.variants import hub
from igbatch.variants.hub import fetch_weights, find_weights
from igbatch.variants.lookup import find_facts
from igbatch.variants.models import load_trained
from igbatch.variants.weights import WeightsSource, locate_weights

KEY = "models.m.weights"
TINY = "swin_tiny_patch4_window7_224"
REPOSITORY = f"timm/{TINY}.ms_in1k"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache in the hub's layout, and the hub turned off: where a Swin's snapshot would lie."""
    folder = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    repository = folder / "models--timm--swin_tiny_patch4_window7_224.ms_in1k"
    revision = "0" * 40
    (repository / "refs").mkdir(parents=True)
    (repository / "refs/main").write_text(revision)
    (repository / "blobs").mkdir()
    snapshot = repository / "snapshots" / revision
    snapshot.mkdir(parents=True)
    return snapshot


class Hub:
    """A hub on this machine that answers each question with one status."""

    def __init__(self) -> None:
        self.status = 200
        self.requested: list[str] = []
        outer = self

        class Answer(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                outer.requested.append(self.path)
                self.send_response(outer.status)
                if outer.status == 404:
                    self.send_header("X-Error-Code", "RepoNotFound")
                self.send_header("ETag", '"1"')
                self.send_header("X-Repo-Commit", "0" * 40)
                self.send_header("Content-Length", "7")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


def ask(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the client believe that the hub is at a URL."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", url)
    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture
def a_hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """That hub, beside an empty cache."""
    started = Hub()
    ask(started.url, monkeypatch)
    yield started
    started.server.shutdown()
    started.server.server_close()


def refusal(action: Callable[[str, str], object], kind: type[IgbatchError] = InputError) -> str:
    with pytest.raises(kind) as caught:
        action(TINY, KEY)
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(f"{KEY}: ")
    assert len(line) < 500
    return line


def test_what_is_in_the_cache_is_taken_without_asking(
    cache: Path, write_pickle: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = timm.create_model(TINY)
    blob = cache.parent.parent / "blobs" / "weights"
    save_file({name: tensor.half() for name, tensor in model.state_dict().items()}, blob)
    (cache / "model.safetensors").symlink_to(blob)
    write_pickle(cache / "pytorch_model.bin")
    expected = model.state_dict()

    def taken() -> None:
        find_weights(TINY, KEY)
        loaded = load_trained(locate_weights("pretrained", TINY, KEY), KEY).state_dict()
        assert all(torch.equal(tensor, expected[name].half().float()) for name, tensor in loaded.items())

    taken()
    ask("http://127.0.0.1:9", monkeypatch)  # nobody is there
    taken()
    blob.write_bytes(blob.read_bytes()[:1000])
    for offline in (True, False):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
        with pytest.raises(InputError, match=r"model\.safetensors: not a whole safetensors file: 1000 bytes"):
            load_trained(WeightsSource(TINY, None), KEY)


def test_pickled_weights_in_the_cache_are_not_opened(
    cache: Path, write_pickle: Callable[[Path], None]
) -> None:
    write_pickle(cache / "pytorch_model.bin")
    for action in (find_weights, fetch_weights):
        line = refusal(action)
        assert f"weights of {TINY} cannot be had from the hub ({REPOSITORY}: HF_HUB_OFFLINE is set)" in line
        assert f"not in its cache {constants.HF_HUB_CACHE}; unset it" in line
        assert "give a .safetensors file" in line


@pytest.mark.parametrize("action", [find_weights, fetch_weights])
def test_a_hub_that_cannot_be_reached_is_asked_once_and_quietly(
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    action: Callable[..., object],
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    ask(url, monkeypatch)
    level = logging.getLogger("huggingface_hub").level
    start = time.monotonic()
    line = refusal(action)
    assert time.monotonic() - start < 5
    assert f"({REPOSITORY}: {url}: " in line
    assert "check the network, fill the cache where there is a network (hf download" in line
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("huggingface_hub").level == level


def test_a_hub_that_says_nothing_is_given_up_on(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "ANSWER_SECONDS", 0.4)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        ask(f"http://127.0.0.1:{silent.getsockname()[1]}", monkeypatch)
        start = time.monotonic()
        refusal(find_weights)
        assert time.monotonic() - start < 3


def test_looking_up_a_name_for_ever_is_given_up_on(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No timeout of a network library covers it."""
    given_up = threading.Event()
    monkeypatch.setattr(hub, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda *_, **__: given_up.wait(30))
    assert "no answer within 0.2 s" in refusal(find_weights)
    given_up.set()


def test_a_hub_that_has_the_file_is_enough_to_plan(a_hub: Hub) -> None:
    find_weights(TINY, KEY)
    assert a_hub.requested == [f"/{REPOSITORY}/resolve/main/model.safetensors"]


@pytest.mark.parametrize(
    ("status", "kind", "part"),
    [
        (404, InputError, "the hub has no model.safetensors there"),
        (403, InputError, "the hub answers 403"),
        (503, UnfinishedError, "answers 503 for the weights of swin_tiny_patch4_window7_224"),
        (429, UnfinishedError, "run it again later"),
    ],
)
def test_what_the_hub_answers_is_reported(
    a_hub: Hub, status: int, kind: type[IgbatchError], part: str, capfd: pytest.CaptureFixture[str]
) -> None:
    a_hub.status = status
    assert part in refusal(find_weights, kind)
    assert len(a_hub.requested) == 1
    assert capfd.readouterr() == ("", "")


def test_planning_asks_only_where_trained_weights_are_needed(cache: Path) -> None:
    source = WeightsSource(TINY, None)
    assert find_facts(source, KEY).classes == 1000
    with pytest.raises(InputError, match="HF_HUB_OFFLINE is set"):
        find_facts(source, KEY, trained=True)


def test_weights_that_timm_has_nowhere_are_refused() -> None:
    with pytest.raises(InputError, match="timm knows no weights of swin_igbatch"):
        find_weights("swin_igbatch_patch4_window7_224", KEY)
