"""Stores and disks that do not answer or refuse: found within a deadline, and said in one line.

Libraries of stores wait from seconds to for ever, and what they raise is of many classes. `reach` asks a
place once before it is used. `machine_error` tells, of an error that came later, whether it is the machine's
or the store's, so that a fault of the program itself stays visible as such.
"""

from __future__ import annotations

import errno
import re
from contextlib import suppress

import pyarrow as pa
from pyarrow import fs

from igbatch.deadlines import within
from igbatch.errors import IgbatchError, InputError, UnfinishedError, one_line
from igbatch.filesystem import StoreError, is_local, resolve

ANSWER_SECONDS = 15.0
"""How long a store may take to answer the first question."""

_OF_STORES = re.compile(r"AWS Error|google::cloud|curlCode|\bAzure")
"""How Arrow's own errors begin where a store raised them."""
_AWS = re.compile(r".*AWS Error (\w+) .*? operation: (.*?)(; Details: .*)?$")
_REFUSALS = re.compile(
    r"ACCESS_DENIED|INVALID_ACCESS_KEY|INVALID_SIGNATURE|InvalidAccessKeyId|SignatureDoesNotMatch|"
    r"PERMISSION_DENIED|UNAUTHENTICATED|Forbidden|Unauthorized|NoCredentials|RepositoryNotFound|Gated|"
    r"\b40[13]\b",
    re.IGNORECASE,
)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
_BROKEN = (
    errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETUNREACH,
    errno.ECONNREFUSED, errno.ECONNRESET, errno.ENOTCONN, errno.EMFILE, errno.ENFILE, errno.ENODEV,
)  # fmt: skip


def require_reachable(uri: str, key: str) -> None:
    """Ask the store behind a URI about the place that it names; that nothing is there yet will do.

    Args:
        uri: of a place; nothing is asked about one on this machine.
        key: what says it: a key of the study, an option, or an argument of the command line.

    Raises:
        InputError: nothing opens the URI, or the store refuses or has no such bucket.
        UnfinishedError: the store does not answer within `ANSWER_SECONDS`. Each line names key and URI.
    """
    if is_local(uri):
        return
    named = f"{key}{' ' if key.startswith('-') else ': '}"
    where = f"{named}{uri}: "
    try:
        within(ANSWER_SECONDS, lambda: _ask(uri))
    except IgbatchError as error:
        raise type(error)(f"{named}{error}") from None
    except TimeoutError:
        raise UnfinishedError(
            f"{where}the store does not answer within {ANSWER_SECONDS:.0f} s; check the address, the "
            "network and the credentials in the environment, then run it again"
        ) from None
    except Exception as error:  # of any class: it comes from the library of a store
        raise _line(error, where, one_line(_AWS.sub(r"\1: \2", one_line(error)), limit=200)) from None


def machine_error(error: OSError) -> IgbatchError | None:
    """Return the line of an error that the machine or a store is at fault for, None where the program may be.

    That a file is missing or is there already, is a fault of the program: it looks first.
    """
    text = one_line(f"{error.filename}: {error.strerror}" if error.filename else error, limit=300)
    if isinstance(error, StoreError) or (error.errno is None and _OF_STORES.search(text)):
        return _line(error, "", text)
    if error.errno in _FULL:
        return UnfinishedError(f"{text}: no space is left; free some space and run it again")
    if error.errno in _DENIED:
        return InputError(f"{text}: this user may not do that; change the permissions or the place")
    if error.errno in _BROKEN or isinstance(error, TimeoutError):
        return UnfinishedError(f"{text}; check the address and the network, then run it again")
    return None


UNREADABLE = (OSError, ValueError, pa.ArrowException)
"""What reading a damaged file raises: errors of Arrow, an `OSError` without number, text that is no UTF-8."""


def is_damage(error: Exception) -> bool:
    """Return whether one of `UNREADABLE` is the file's fault: not the machine's, nor the store's."""
    return not isinstance(error, OSError) or (error.errno is None and machine_error(error) is None)


def _line(error: Exception, where: str, reason: str) -> IgbatchError:
    reason = reason or type(error).__name__
    if isinstance(error, PermissionError) or _REFUSALS.search(reason):
        return InputError(f"{where}the store refuses ({reason}); check the credentials in the environment")
    if isinstance(error, FileNotFoundError) or "NO_SUCH_BUCKET" in reason:
        return InputError(f"{where}there is no such place ({reason}); check the address")
    return UnfinishedError(
        f"{where}the store does not answer ({reason}); check the address and the network, then run it again"
    )


def _ask(uri: str) -> None:
    filesystem, path = resolve(uri)
    found = filesystem.get_file_info(path)
    bucket, slash, _ = path.partition("/")
    known = filesystem.type_name in ("s3", "gcs") and "allow_bucket_creation" not in uri
    if found.type == fs.FileType.NotFound and slash and known:
        with suppress(OSError):  # it may be forbidden to ask for the bucket itself
            if filesystem.get_file_info(bucket).type != fs.FileType.NotFound:
                return
            raise InputError(f"{uri}: there is no bucket {bucket}; make it, or check the address")
