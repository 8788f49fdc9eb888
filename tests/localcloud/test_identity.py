"""Tokens: who is told apart, what a token says, when it counts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jwt
import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

from localcloud.clock import Clock
from localcloud.config import Resources, oid
from localcloud.identity.rules import Identity, InvalidToken, UnknownPrincipalError
from localcloud.secrets import Secrets
from tests.running import LocalCloud

STORAGE = "https://storage.azure.com"


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """Return a clock of its own."""
    return Clock(tmp_path / "clock")


@pytest.fixture
def identity(tmp_path: Path, clock: Clock) -> Identity:
    """Return an identity service that knows ann of the readers, who is a Boss."""
    resources = Resources.model_validate(
        {
            "groups": ["readers"],
            "principals": {"app": {}, "developer": {}, "ann": {"groups": ["readers"], "app_roles": ["Boss"]}},
        }
    )
    return Identity(resources, Secrets.load(tmp_path), clock)


def test_a_token_says_who_it_is_of(identity: Identity) -> None:
    """Object id, groups as object ids, app roles: what Easy Auth and access control lists look at."""
    caller = identity.verify(identity.token("ann", STORAGE), [STORAGE])
    assert caller == identity.caller("ann")
    assert caller.oid == oid("ann")
    assert caller.groups == {oid("readers")}
    assert caller.app_roles == {"Boss"}


def test_a_token_expires_by_the_clouds_clock(identity: Identity, clock: Clock) -> None:
    """Advancing the clock ages tokens."""
    token = identity.token("app", STORAGE, lifetime=3600)
    clock.advance(3601)
    with pytest.raises(InvalidToken, match="expired"):
        identity.verify(token)


def test_a_token_for_another_service_does_not_count(identity: Identity) -> None:
    """Storage refuses a token for Event Grid."""
    with pytest.raises(InvalidToken, match="not for this service"):
        identity.verify(identity.token("app", "https://eventgrid.azure.net"), [STORAGE])


def test_a_forged_token_does_not_count(identity: Identity) -> None:
    """The signature is checked, and the algorithm is not the sender's choice."""
    claims = jwt.decode(identity.token("app", STORAGE), options={"verify_signature": False})
    for forged in (jwt.encode(claims, "x" * 32, algorithm="HS256"), jwt.encode(claims, "", algorithm="none"), "x"):
        with pytest.raises(InvalidToken):
            identity.verify(forged)


def test_a_principal_that_is_not_declared_gets_nothing(identity: Identity) -> None:
    """The error names those that are."""
    with pytest.raises(UnknownPrincipalError, match=r"bob.*ann, app"):
        identity.token("bob", STORAGE)


def test_secrets_are_made_once_and_private(tmp_path: Path) -> None:
    """Every process of a cloud reads the same; nobody else can."""
    assert Secrets.load(tmp_path) == Secrets.load(tmp_path)
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_the_unmodified_credential_gets_a_token(cloud: LocalCloud) -> None:
    """DefaultAzureCredential, told by nothing but the environment Azure sets."""
    with cloud.acting_as("writer"):
        token = DefaultAzureCredential().get_token(f"{STORAGE}/.default")
    claims = jwt.decode(token.token, options={"verify_signature": False})
    assert (claims["name"], claims["aud"], claims["roles"]) == ("writer", STORAGE, ["Some.Role"])
    assert token.expires_on == claims["exp"]


def test_the_unmodified_async_credential_gets_a_token(cloud: LocalCloud) -> None:
    """The same through aiohttp, which reads its trust store when it is imported: hence a process of its own."""
    program = f"""
import asyncio
from azure.identity.aio import DefaultAzureCredential

async def fetch():
    async with DefaultAzureCredential() as credential:
        print((await credential.get_token("{STORAGE}/.default")).token)

asyncio.run(fetch())
"""
    variables = os.environ | cloud.environment("nobody")
    done = subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, text=True, check=True)
    assert jwt.decode(done.stdout.strip(), options={"verify_signature": False})["name"] == "nobody"


def test_an_identity_may_be_asked_for_by_its_own_client_id(cloud: LocalCloud) -> None:
    """As jobs do with DEFAULT_IDENTITY_CLIENT_ID; another's id is refused."""
    with cloud.acting_as("writer"):
        assert ManagedIdentityCredential(client_id=oid("writer")).get_token(f"{STORAGE}/.default").token
        with pytest.raises(ClientAuthenticationError):
            ManagedIdentityCredential(client_id=oid("app")).get_token(f"{STORAGE}/.default")


@pytest.mark.parametrize(
    ("header", "query", "status"),
    [
        ("wrong", {"api-version": "2019-08-01", "resource": STORAGE}, 401),
        (None, {"api-version": "2019-08-01", "resource": STORAGE}, 401),
        ("right", {"api-version": "2017-09-01", "resource": STORAGE}, 400),
        ("right", {"api-version": "2019-08-01"}, 400),
    ],
)
def test_a_wrong_request_gets_no_token(
    cloud: LocalCloud, header: str | None, query: dict[str, str], status: int
) -> None:
    """Statuses and body as App Service's endpoint gives them."""
    variables = cloud.environment("app")
    headers = {"X-IDENTITY-HEADER": variables["IDENTITY_HEADER"] if header == "right" else header} if header else {}
    answer = requests.get(variables["IDENTITY_ENDPOINT"], params=query, headers=headers, timeout=60)
    assert answer.status_code == status
    assert answer.json()["statusCode"] == status


def test_a_token_from_the_command_line_counts(cloud: LocalCloud) -> None:
    """`token --as NAME` works without asking any service."""
    done = cloud.run("token", "--as", "writer", "--resource", STORAGE)
    assert jwt.decode(done.stdout.strip(), options={"verify_signature": False})["oid"] == oid("writer")
