"""What stores and disks raise becomes one line; faults of the program stay what they are."""

import errno
import os
import time
from types import SimpleNamespace
from typing import Any

import pytest
from pyarrow import fs

from igbatch import store_errors
from igbatch.errors import IgbatchError, InputError, UnfinishedError
from igbatch.filesystem import StoreError
from igbatch.store_errors import machine_error, require_reachable


class Store:
    """Stands for a file system: it answers with a type, or raises."""

    type_name = "s3"

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.looked_up: list[str] = []

    def get_file_info(self, path: str) -> Any:
        self.looked_up.append(path)
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return SimpleNamespace(type=answer)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let every URI lead to a store: (*answers)."""

    def use(*answers: Any) -> Store:
        store = Store(*answers)
        monkeypatch.setattr(store_errors, "resolve", lambda uri: (store, uri.split("://")[1]))
        return store

    return use


def refusal(uri: str = "s3://b/x", key: str = "--out", kind: type[IgbatchError] = InputError) -> str:
    with pytest.raises(kind) as caught:
        require_reachable(uri, key)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_nothing_is_asked_about_a_path(opened: Any) -> None:
    store = opened()
    require_reachable("out", "--out")
    require_reachable("file:///out", "--out")
    assert store.looked_up == []


@pytest.mark.parametrize("found", [fs.FileType.File, fs.FileType.Directory])
def test_what_is_there_is_asked_about_once(opened: Any, found: fs.FileType) -> None:
    store = opened(found)
    require_reachable("s3://b/x", "--out")
    assert store.looked_up == ["b/x"]


@pytest.mark.parametrize("bucket", [fs.FileType.Directory, OSError("ACCESS_DENIED")], ids=str)
def test_a_place_that_is_not_there_yet_will_do_in_a_bucket(opened: Any, bucket: Any) -> None:
    store = opened(fs.FileType.NotFound, bucket)
    require_reachable("s3://b/x/y", "--out")
    assert store.looked_up == ["b/x/y", "b"]


def test_a_bucket_that_is_not_there_is_refused_unless_it_may_be_made(opened: Any) -> None:
    opened(fs.FileType.NotFound, fs.FileType.NotFound)
    assert refusal() == "--out s3://b/x: there is no bucket b; make it, or check the address"
    opened(fs.FileType.NotFound)
    require_reachable("s3://b/x?allow_bucket_creation=true", "--out")


AWS = "When getting information for key 'x' in bucket 'b': AWS Error {} during HeadObject operation: {}"


def test_a_store_that_refuses_is_for_the_user_to_mend(opened: Any) -> None:
    opened(OSError(AWS.format("ACCESS_DENIED", "No response body.")))
    assert refusal() == (
        "--out s3://b/x: the store refuses (ACCESS_DENIED: No response body.); "
        "check the credentials in the environment"
    )
    opened(PermissionError("no"))
    assert refusal(key="images.root").startswith("images.root: s3://b/x: the store refuses (no)")


def test_a_store_that_is_away_is_for_another_run(opened: Any) -> None:
    opened(OSError(AWS.format("NETWORK_CONNECTION", "curlCode: 7, Could not connect; Details: after 0 ms")))
    line = refusal(kind=UnfinishedError)
    assert "the store does not answer (NETWORK_CONNECTION: curlCode: 7, Could not connect); " in line
    assert "run it again" in line
    opened(StoreError("ConnectError: two\nlines"))
    assert "(ConnectError: two lines)" in refusal(kind=UnfinishedError)


def test_a_store_that_says_nothing_is_not_waited_for(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_errors, "ANSWER_SECONDS", 0.05)
    store = opened()
    monkeypatch.setattr(store, "get_file_info", lambda path: time.sleep(0.5))
    assert "does not answer within 0 s" in refusal(kind=UnfinishedError)


def test_what_nothing_opens_is_said_as_it_is_with_its_key() -> None:
    assert refusal("nosuchstore://b/x", "--history").startswith(
        "--history nosuchstore://b/x: no driver opens"
    )


# Later


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(AWS.format("SLOW_DOWN", "reduce your rate")), UnfinishedError),
        (OSError(AWS.format("ACCESS_DENIED", "no")), InputError),
        (OSError(AWS.format("NO_SUCH_BUCKET", "no")), InputError),
        (OSError("google::cloud::Status(UNAVAILABLE: retry policy exhausted)"), UnfinishedError),
        (StoreError("ClientPayloadError: not complete"), UnfinishedError),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/out/x"), UnfinishedError),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), UnfinishedError),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/out/x"), InputError),
        (OSError(errno.EROFS, os.strerror(errno.EROFS), "/out/x"), InputError),
        (OSError(errno.ESTALE, os.strerror(errno.ESTALE), "/out/x"), UnfinishedError),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), UnfinishedError),
        (TimeoutError("timed out"), UnfinishedError),
    ],
    ids=str,
)
def test_errors_of_the_machine_and_of_stores_are_lines(error: OSError, kind: type[IgbatchError]) -> None:
    found = machine_error(error)
    assert type(found) is kind
    assert "\n" not in str(found)
    assert (error.filename or "") in str(found)


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "/out/x"),
        FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), "/out/x"),
        IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), "/out"),
        OSError("a fault of the program"),
    ],
    ids=str,
)
def test_faults_of_the_program_are_none_of_them(error: OSError) -> None:
    assert machine_error(error) is None
