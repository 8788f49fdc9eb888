"""The storage service's errors: codes, statuses and the two shapes of their bodies.

Rules raise :class:`StorageError` with the DFS spelling of a code; the surface that answers decides how it is spelled
and wrapped. Source: REST reference, "Blob service error codes", "Azure Data Lake Storage Gen2 error codes".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from xml.sax.saxutils import escape

from aiohttp import web


class Surface(StrEnum):
    """Which of the account's REST services a request speaks to."""

    DFS = "dfs"
    BLOB = "blob"
    QUEUE = "queue"


_BLOB_SPELLING = {
    "FilesystemNotFound": "ContainerNotFound",
    "FilesystemAlreadyExists": "ContainerAlreadyExists",
    "PathNotFound": "BlobNotFound",
    "PathAlreadyExists": "BlobAlreadyExists",
    "DirectoryNotEmpty": "DirectoryIsNotEmpty",
}
_DFS_SPELLING = {
    "LeaseIdMismatchWithBlobOperation": "LeaseIdMismatchWithLeaseOperation",
    "LeaseNotPresentWithBlobOperation": "LeaseNotPresentWithLeaseOperation",
}
_STATUSES = {
    400: "InvalidUri InvalidResourceName OutOfRangeInput InvalidQueryParameterValue OutOfRangeQueryParameterValue "
    "MissingRequiredQueryParameter InvalidHeaderValue MissingRequiredHeader UnsupportedHeader InvalidFlushPosition "
    "ContentLengthMustBeZero Md5Mismatch InvalidSourceUri InvalidBlockList InvalidBlobOrBlock InvalidInput "
    "InvalidXmlDocument InvalidMetadata MetadataTooLarge InvalidBlockId MissingContentLengthHeader PopReceiptMismatch",
    401: "NoAuthenticationInformation InvalidAuthenticationInfo",
    403: "AuthenticationFailed AuthorizationPermissionMismatch AuthorizationFailure AuthorizationProtocolMismatch "
    "AuthorizationServiceMismatch AuthorizationResourceTypeMismatch",
    404: "FilesystemNotFound PathNotFound SourcePathNotFound RenameDestinationParentPathNotFound "
    "CannotVerifyCopySource ResourceNotFound QueueNotFound MessageNotFound",
    405: "UnsupportedHttpVerb",
    409: "FilesystemAlreadyExists PathAlreadyExists PathConflict ResourceTypeMismatch InvalidDestinationPath "
    "DirectoryNotEmpty InvalidRenameSourcePath InvalidSourceOrDestinationResourceType InvalidFlushOperation "
    "LeaseAlreadyPresent LeaseIdMismatchWithLeaseOperation LeaseNotPresentWithLeaseOperation "
    "LeaseIsBreakingAndCannotBeAcquired LeaseIsBreakingAndCannotBeChanged LeaseIsBrokenAndCannotBeRenewed "
    "NoPendingCopyOperation PendingCopyOperation QueueAlreadyExists",
    412: "ConditionNotMet SourceConditionNotMet LeaseIdMissing LeaseIdMismatchWithBlobOperation "
    "LeaseNotPresentWithBlobOperation LeaseLost",
    413: "RequestBodyTooLarge",
    416: "InvalidRange",
    500: "InternalError",
    501: "NotImplemented",
}
_STATUS_OF = {code: status for status, codes in _STATUSES.items() for code in codes.split()}


class StorageError(Exception):
    """A refusal as the service words it.

    ``code`` is one of the service's codes (DFS spelling where the surfaces differ), ``message`` one sentence that names
    the thing and the rule; ``status`` is needed only where a code appears with another status than its usual one.
    """

    def __init__(
        self, code: str, message: str, *, status: int | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status or _STATUS_OF[code]
        self.headers = dict(headers or {})

    def code_on(self, surface: Surface) -> str:
        """Return the code as ``surface`` spells it."""
        if surface is Surface.BLOB:
            return _BLOB_SPELLING.get(self.code, self.code)
        if surface is Surface.DFS and self.status == 412:
            return _DFS_SPELLING.get(self.code, self.code)
        return self.code


def unsupported(feature: str) -> StorageError:
    """Return the refusal of something the service has and this stand-in has not; it names the feature."""
    return StorageError("NotImplemented", f"localcloud does not support {feature}.")


def not_authorized() -> StorageError:
    """Return the refusal of a known caller whose rights do not suffice, in the service's own sentence."""
    return StorageError(
        "AuthorizationPermissionMismatch",
        "This request is not authorized to perform this operation using this permission.",
    )


def answer(error: StorageError, surface: Surface, method: str, request_id: str, now: datetime) -> web.Response:
    """Return the error as ``surface`` answers it; the code is in a header too, because HEAD and 304 have no body.

    Such an answer names no JSON or XML either: the C++ SDK would end its process over the empty document. The sentence
    is the reason too, where pyarrow looks for it. Source: arrow, cpp/src/arrow/filesystem/azurefs.cc.
    """
    code = error.code_on(surface)
    text = f"{error.message}\nRequestId:{request_id}\nTime:{now:%Y-%m-%dT%H:%M:%S.%f}0Z"
    headers = {"x-ms-error-code": code, **error.headers}
    reason = error.message.encode("ascii", "replace").decode()
    if error.status == 304 or method == "HEAD":
        return web.Response(status=error.status, reason=reason, headers=headers)
    if surface is Surface.DFS:
        body = json.dumps({"error": {"code": code, "message": text}})
        headers["Content-Type"] = "application/json;charset=utf-8"
    else:
        body = (
            f'\ufeff<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code>'
            f"<Message>{escape(text)}</Message></Error>"
        )
        headers["Content-Type"] = "application/xml"
    return web.Response(status=error.status, reason=reason, headers=headers, body=body.encode())
