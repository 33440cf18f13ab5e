"""Telling a chat of an audit by a webhook, whose URL is a secret: it appears in no message and in no file."""

from __future__ import annotations

import http.client
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import tenacity

from igbatch.audit.verdict import Audit
from igbatch.audit.words import failed_checks, headline, shown
from igbatch.study import Webhook

TIMEOUT_SECONDS = 10.0
ATTEMPTS = 5
LONGEST_WAIT_SECONDS = 30.0
"""Between two attempts, whatever the server's Retry-After says."""
MOST_TOLD = 3
"""Failed checks that the short text names."""


class _RefusedError(Exception):
    """The webhook was not told, and why in words; without the URL."""


class _LaterError(_RefusedError):
    """It may be told later: no connection, too many calls, or a fault of the server."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def tell(
    audit: Audit,
    settings: Webhook | None,
    environment: Mapping[str, str],
    *,
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
    backoff: float = 1.0,
) -> None:
    """Tell the webhook that a study names, if any; that it cannot be told is a warning, never an error.

    Connection errors, 429 and 5xx are tried again, `ATTEMPTS` times in all. A redirect is not followed: it
    would turn the message into a plain request for a page, and could lead to another scheme.

    Args:
        audit: what was found.
        settings: None where nobody is told.
        environment: holds the URL under the name that the settings give.
        say: is told one line where the webhook could not be told.
        backoff: seconds before the second attempt, about; each wait after it is twice as long.
    """
    if settings is None or (settings.when == "failed" and audit.passed):
        return
    url = environment.get(settings.variable, "").strip()
    try:
        if not url:
            raise _RefusedError("the variable is not set; set it to the webhook's URL")
        _post_patiently(url, json.dumps(message(audit)).encode(), backoff)
    except _RefusedError as error:
        say(f"warning: the webhook of audit.webhook.variable {settings.variable} was not told: {error}")


def message(audit: Audit) -> dict[str, Any]:
    """Return the JSON body: the verdict for programs, and `text`, which chats show."""
    failed = failed_checks(audit)
    names = [check.title for _, check in failed]
    text = f"{audit.study}: {'passed' if audit.passed else 'FAILED'}, {headline(audit)}"
    return {
        "study": audit.study,
        "passed": audit.passed,
        "failed": [
            {"role": role, "check": check.name, "title": check.title, "words": check.words}
            for role, check in failed
        ],
        "uri": audit.uri,
        "made_at": audit.made_at,
        "text": f"{text} {shown(names, MOST_TOLD)}".rstrip(),
    }


def _post_patiently(url: str, body: bytes, backoff: float) -> None:
    growing = tenacity.wait_exponential(multiplier=backoff) + tenacity.wait_random(0, backoff)

    def wait(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.wait if isinstance(error, _LaterError) else None
        return min(asked if asked is not None else growing(state), LONGEST_WAIT_SECONDS)

    for attempt in tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(_LaterError),
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=wait,
        reraise=True,
    ):
        with attempt:
            _post(url, body)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def _post(url: str, body: bytes) -> None:
    """Post once. Errors of the library may repeat the URL, so that none of them is passed on or chained."""
    try:
        if urlsplit(url).scheme not in ("http", "https"):
            raise _RefusedError("its URL is none of http or https; correct it")
        headers = {"Content-Type": "application/json", "User-Agent": "igbatch"}
        request = urllib.request.Request(url, body, headers, method="POST")
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT_SECONDS) as answer:
            answer.read(1)
    except urllib.error.HTTPError as error:
        error.close()
        raise _of_status(error.code, error.headers.get("Retry-After")) from None
    except (ValueError, http.client.InvalidURL):
        raise _RefusedError("its URL is not one; correct it") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise _LaterError(f"no answer ({type(reason).__name__}), after {ATTEMPTS} attempts") from None


def _of_status(status: int, retry_after: str | None) -> _RefusedError:
    if status == 429 or status >= 500:
        return _LaterError(f"it answered {status}, after {ATTEMPTS} attempts", _seconds(retry_after))
    if 300 <= status < 400:
        return _RefusedError(f"it answered {status}, a redirect, which is not followed; give the final URL")
    return _RefusedError(f"it answered {status}; check its URL")


def _seconds(retry_after: str | None) -> float | None:
    """Read a Retry-After, which is a number of seconds or a date (RFC 9110, section 10.2.3)."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    with suppress(ValueError):
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    return None
