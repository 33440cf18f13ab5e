"""Sends an audit to a webhook, whose URL is a secret: it appears in no message and in no file."""

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
from igbatch.audit.words import abridged, headline
from igbatch.study import Webhook

TIMEOUT_SECONDS = 10.0
ATTEMPTS = 5
MAX_WAIT_SECONDS = 30.0
"""Between two attempts, whatever the server's Retry-After is."""
MAX_NAMED = 3
"""Failed checks that the short text names."""


class _NotSentError(Exception):
    """The webhook was not notified, and why in words, without the URL; `later`: a later attempt may succeed.

    That is so without a connection, after too many calls, and at a fault of the server, which may give the
    seconds to wait (`wait`).
    """

    def __init__(self, reason: str, *, later: bool = False, wait: float | None = None) -> None:
        super().__init__(f"{reason}, after {ATTEMPTS} attempts" if later else reason)
        self.later, self.wait = later, wait


def notify(
    audit: Audit,
    settings: Webhook | None,
    environment: Mapping[str, str],
    *,
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
    backoff: float = 1.0,
) -> None:
    """Notify the webhook that a study names, if any; a failure is a warning, never an error.

    Connection errors, 429 and 5xx are tried again, `ATTEMPTS` times in all. A redirect is not followed: it
    would turn the message into a plain request for a page, and could lead to another scheme.

    Args:
        audit: what was found.
        settings: None where nothing is sent.
        environment: holds the URL under the name that the settings give.
        say: takes one line where it could not be sent.
        backoff: seconds before the second attempt, about; each wait after it is twice as long.
    """
    if settings is None or (settings.when == "failed" and audit.passed):
        return
    url = environment.get(settings.variable, "").strip()
    try:
        if not url:
            raise _NotSentError("the variable is not set; set it to the webhook's URL")
        _post_patiently(url, json.dumps(message(audit)).encode(), backoff)
    except _NotSentError as error:
        say(f"warning: the webhook of audit.webhook.variable {settings.variable} was not notified: {error}")


def message(audit: Audit) -> dict[str, Any]:
    """Return the JSON body: the verdict for programs, and `text`, which chats show."""
    failed = [(each.role, check) for each in audit.comparisons for check in each.failed]
    titles = abridged([check.title for _, check in failed], MAX_NAMED)
    text = f"{audit.study}: {'passed' if audit.passed else 'FAILED'}, {headline(audit)} {titles}".rstrip()
    return {
        "study": audit.study,
        "passed": audit.passed,
        "failed": [
            {"role": role, "check": check.name, "title": check.title, "words": check.words}
            for role, check in failed
        ],
        "uri": audit.uri,
        "made_at": audit.made_at,
        "text": text,
    }


def _post_patiently(url: str, body: bytes, backoff: float) -> None:
    growing = tenacity.wait_exponential(multiplier=backoff) + tenacity.wait_random(0, backoff)

    def wait(state: tenacity.RetryCallState) -> float:
        required = getattr(state.outcome and state.outcome.exception(), "wait", None)
        return min(growing(state) if required is None else required, MAX_WAIT_SECONDS)

    tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: isinstance(error, _NotSentError) and error.later),
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=wait,
        reraise=True,
    )(_post, url, body)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def _post(url: str, body: bytes) -> None:
    """Post once. Errors of the library may repeat the URL, so that none of them is passed on or chained."""
    try:
        if urlsplit(url).scheme not in ("http", "https"):
            raise _NotSentError("its URL is none of http or https; correct it")
        headers = {"Content-Type": "application/json", "User-Agent": "igbatch"}
        request = urllib.request.Request(url, body, headers, method="POST")
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT_SECONDS) as answer:
            answer.read(1)
    except urllib.error.HTTPError as error:
        error.close()
        status, answered = error.code, f"it answered {error.code}"
        if status == 429 or status >= 500:
            raise _NotSentError(answered, later=True, wait=_seconds(error.headers["Retry-After"])) from None
        if 300 <= status < 400:
            answered += ", a redirect, which is not followed; give the final URL"
            raise _NotSentError(answered) from None
        raise _NotSentError(f"{answered}; check its URL") from None
    except (ValueError, http.client.InvalidURL):
        raise _NotSentError("its URL is not one; correct it") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise _NotSentError(f"no answer ({type(reason).__name__})", later=True) from None


def _seconds(retry_after: str | None) -> float | None:
    """Read a Retry-After, which is a number of seconds or a date (RFC 9110, section 10.2.3)."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    with suppress(ValueError):
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    return None
