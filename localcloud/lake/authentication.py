"""Who a request is from: the account's key, a signature, or a bearer token; and who reads a copy's source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from localcloud.clock import Clock
from localcloud.config import TENANT_ID
from localcloud.identity.rules import SUPERUSER, Identity, InvalidToken
from localcloud.lake import sas, shared_key
from localcloud.lake.access import Rights
from localcloud.lake.errors import StorageError, Surface
from localcloud.lake.target import Place, Source, Target

AUDIENCES = ("https://storage.azure.com",)


class Authentication:
    """Checks the credentials of requests to ``account``; raises 401 without any, 403 with wrong ones."""

    def __init__(self, account: str, key: str, identity: Identity, clock: Clock) -> None:
        self.account = account
        self._key = key
        self._identity = identity
        self._clock = clock

    def of_request(
        self, target: Target, headers: Mapping[str, str], items: Iterable[tuple[str, str]], *, secure: bool
    ) -> Rights:
        """Return what the sender of a request may do; ``items`` are all its headers, ``secure`` that it came by TLS."""
        authorization = headers.get("Authorization", "")
        if authorization.startswith("SharedKey "):
            text = shared_key.string_to_sign(target.method, target.raw_path, target.query, headers, items, self.account)
            shared_key.verify(authorization, self.account, self._key, text)
            now, date = self._clock.time(), headers.get("x-ms-date") or headers.get("Date", "")
            shared_key.check_age(date, now - self._clock.offset, now)
            return Rights(SUPERUSER)
        if authorization.startswith("Bearer "):
            return self._of_token(authorization)
        if sas.present(target.query):
            queue = target.surface is Surface.QUEUE
            return self._of_signature(target.query, _signed_place(target), secure=secure, queue=queue)
        if authorization:
            raise StorageError(
                "InvalidAuthenticationInfo", "Authorization is SharedKey or Bearer.", headers=_challenge()
            )
        raise StorageError(
            "NoAuthenticationInformation",
            "Server failed to authenticate the request: it has no credential. Send a token, a SAS or a signature.",
            headers=_challenge(),
        )

    def of_copy_source(self, source: Source, authorization: str | None) -> Rights | None:
        """Return who reads a copy's source: the token's principal, or the signature's holder; None without either."""
        if authorization:
            if not authorization.startswith("Bearer "):
                raise StorageError("InvalidHeaderValue", "x-ms-copy-source-authorization is 'Bearer' and a token.")
            return self._of_token(authorization)
        if sas.present(source.query):
            return self._of_signature(source.query, source.place)
        return None

    def of_rename_source(self, source: Source, rights: Rights) -> Rights:
        """Return who moves a rename's source away: the holder of the SAS at its name, else who sent the request."""
        if sas.present(source.query):
            return self._of_signature(source.query, source.place)
        return rights

    def _of_signature(
        self, query: Mapping[str, str], place: Place, *, secure: bool = True, queue: bool = False
    ) -> Rights:
        now = self._clock.now()
        return Rights.of_signature(sas.verify(query, place, self.account, self._key, now, secure=secure, queue=queue))

    def _of_token(self, authorization: str) -> Rights:
        try:
            return Rights(self._identity.verify(authorization.removeprefix("Bearer "), AUDIENCES))
        except InvalidToken as problem:
            raise StorageError(
                "InvalidAuthenticationInfo",
                f"Server failed to authenticate the request: {problem}.",
                headers=_challenge(),
            ) from problem


def _challenge() -> dict[str, str]:
    authority = f"https://login.microsoftonline.com/{TENANT_ID}/oauth2/authorize"
    return {"WWW-Authenticate": f"Bearer authorization_uri={authority} resource_id=https://storage.azure.com"}


def _signed_place(target: Target) -> Place:
    """Return what a signature has to cover: a listing is of its directory, though its address names the filesystem."""
    if target.path:
        return target.place
    listed = target.query.get("directory") or target.query.get("prefix", "").rpartition("/")[0]
    return Place(target.filesystem, listed.strip("/"))
