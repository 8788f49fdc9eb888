"""The settings table: what it takes, what it refuses, and how it says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from slipway.failure import Failed
from slipway.settings import PREFIX, Settings, SettingsError, secret, settings

GUID = "11111111-2222-3333-4444-555555555555"
REQUIRED = {
    "SLIPWAY_LAKE_URL": "https://account.dfs.core.windows.net",
    "SLIPWAY_SUBSCRIPTION_ID": GUID,
    "SLIPWAY_RESOURCE_GROUP": "models-prod",
    "SLIPWAY_WORKSPACE": "models-prod",
    "SLIPWAY_JOB_PRINCIPAL": GUID,
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """An environment with the required settings and none besides."""
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    yield monkeypatch
    settings.cache_clear()


def test_the_required_settings_are_enough(environment: pytest.MonkeyPatch) -> None:
    """Whatever has a usual value has it; what is optional is off."""
    found = settings()

    assert found.arm_url == "https://management.azure.com"
    assert found.landing_filesystems == ["landing"]
    assert (found.topic_url, found.destinations, found.public_url) == (None, {}, None)


def test_every_missing_setting_is_named_at_once(environment: pytest.MonkeyPatch) -> None:
    """Whoever deploys learns of all that lacks in one go, by the names to be set, each with its meaning."""
    for name in REQUIRED:
        environment.delenv(name)

    with pytest.raises(SettingsError) as caught:
        settings()

    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == list(REQUIRED)
    assert "ADLS Gen2 endpoint" in lines[0]


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        pytest.param("LAKE_URL", "http://account.dfs.core.windows.net", "https://", id="lake over plain http"),
        pytest.param(
            "LAKE_URL", "http://127.0.0.1:10000/account", "https://", id="tokens go over TLS even on loopback"
        ),
        pytest.param("LAKE_URL", "https://user:word@account", "without user", id="a password in a URL"),
        pytest.param("TOPIC_URL", "https://topic/api/events?sig=x", "query", id="a signature in a URL"),
        pytest.param("PUBLIC_URL", "http://slipway.example.com", "loopback", id="links over plain http"),
        pytest.param("PUBLIC_URL", "ftp://127.0.0.1", "https://", id="neither http nor https"),
        pytest.param("JOB_PRINCIPAL", "the-job", "00000000-", id="a name where an object id belongs"),
        pytest.param("READERS", '{"planning": "planners"}', "00000000-", id="a group's name, not its object id"),
        pytest.param("READERS", "planning", "JSON", id="no JSON"),
        pytest.param("LANDING_FILESYSTEMS", "[]", "at least 1", id="no landing filesystem"),
        pytest.param("LANDING_FILESYSTEMS", '["models"]', "must differ", id="data landing among outputs"),
        pytest.param("COPY_BLOCK_THRESHOLD_MIB", "5001", "5000", id="more than one copy takes"),
        pytest.param("DESTINATIONS", '{"x": {"type": "pigeon"}}', "pagerduty", id="no such type of destination"),
        pytest.param("DESTINATIONS", '{"x": {"type": "teams", "secret": "T"}}', "SECRET_T is not", id="no secret"),
        pytest.param("ROUTES", '[{"to": ["nobody"]}]', "no such entry", id="a route to nowhere"),
    ],
)
def test_a_setting_that_breaks_its_rule_is_refused(
    environment: pytest.MonkeyPatch, name: str, value: str, rule: str
) -> None:
    """The message names the setting and its rule, and never repeats the value, which may be a secret."""
    environment.setenv(PREFIX + name, value)

    with pytest.raises(SettingsError) as caught:
        settings()

    assert rule in str(caught.value)
    assert "user:word" not in str(caught.value)


WEBHOOK = {"type": "webhook", "url": "http://127.0.0.1:7099/incidents", "secret": "DESK"}


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        pytest.param(None, "SLIPWAY_SECRET_DESK is not set", id="not there"),
        pytest.param("whsec_c2hvcnQ=", "24", id="a short key"),
        pytest.param("whsec_no base64", "must be base64", id="a key that is no base64"),
    ],
)
def test_incidents_are_never_posted_unsigned(environment: pytest.MonkeyPatch, value: str | None, rule: str) -> None:
    """A webhook without a key would let anyone forge incidents. The key itself is not repeated."""
    environment.setenv("SLIPWAY_DESTINATIONS", json.dumps({"desk": WEBHOOK}))
    if value is not None:
        environment.setenv("SLIPWAY_SECRET_DESK", value)

    with pytest.raises(SettingsError, match=rule) as caught:
        settings()

    assert "c2hvcnQ" not in str(caught.value)
    assert "no base64" not in str(caught.value)


def test_a_vault_that_does_not_answer_stops_no_model(environment: pytest.MonkeyPatch) -> None:
    """The platform leaves the reference as it is: the app runs, and says why incidents wait."""
    environment.setenv("SLIPWAY_DESTINATIONS", json.dumps({"desk": WEBHOOK}))
    environment.setenv("SLIPWAY_SECRET_DESK", "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/x)")

    assert settings().destinations.keys() == {"desk"}
    with pytest.raises(Failed, match="SLIPWAY_SECRET_DESK is not resolved") as caught:
        secret("DESK")
    assert caught.value.failure.transient


def test_without_routes_each_incident_goes_everywhere(environment: pytest.MonkeyPatch) -> None:
    """The routing is what the incidents' record keeps the digest of."""
    environment.setenv("SLIPWAY_DESTINATIONS", json.dumps({"desk": WEBHOOK}))
    environment.setenv("SLIPWAY_SECRET_DESK", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    assert settings().routing.of({"kind": "model", "model": "shop"}) == ["desk"]


def test_the_blob_endpoint_follows_from_the_lake_url(environment: pytest.MonkeyPatch) -> None:
    """On Azure it is another host of the account; one endpoint for both stays as it is."""
    assert settings().blob_url == "https://account.blob.core.windows.net"

    environment.setenv("SLIPWAY_LAKE_URL", "https://127.0.0.1:10443/devstoreaccount1/")
    settings.cache_clear()

    assert settings().lake_url == settings().blob_url == "https://127.0.0.1:10443/devstoreaccount1"


def test_a_secret_is_not_shown(environment: pytest.MonkeyPatch) -> None:
    """Printing the settings, as a log or a debugger does, tells no key."""
    environment.setenv("SLIPWAY_DESTINATIONS", json.dumps({"desk": WEBHOOK}))
    environment.setenv("SLIPWAY_SECRET_DESK", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    assert "MfKQ9r8" not in repr(settings())


def test_the_sample_for_a_desk_is_right(environment: pytest.MonkeyPatch) -> None:
    """What people copy from is what the app reads: no setting in it is unknown or breaks a rule, none is a secret."""
    values = json.loads((Path(__file__).parents[2] / "local.settings.sample.json").read_text())["Values"]
    ours = {name: value for name, value in values.items() if name.startswith(PREFIX)}
    for name, value in ours.items():
        environment.setenv(name, value)

    assert settings().readers.keys() == {"airline-analysts", "planning"}
    read_by_host = {"SLIPWAY_RECONCILE_SCHEDULE", "SLIPWAY_RETENTION_SCHEDULE"}
    assert ours.keys() - read_by_host <= {PREFIX + name.upper() for name in Settings.model_fields}
    assert not any("SECRET" in name or "Key=" in value for name, value in values.items())


def test_every_setting_says_what_it_is() -> None:
    """Each has a sentence, from which the settings page is made."""
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
