"""Failures as values, and what of a foreign text may travel in them (IN-10, I16)."""

import base64
import json
import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.failure import LONGEST_MESSAGE, Failed, Failure, Kind, redact

CANARY = "c4n4ryS3cr3tV4lue"
KEY = base64.b64encode(os.urandom(64)).decode()
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJvaWQiOiJjNG40cnkifQ.c4n4ryS3cr3tV4lueSignature"


def test_a_failure_is_plain_json_and_reads_back() -> None:
    """It leaves an activity as a value."""
    failure = Failure(Kind.PLATFORM, "throttled", "the lake is busy", transient=True, retry_after=2.5)

    assert json.loads(json.dumps(failure.to_document())) == {
        "kind": "platform",
        "code": "throttled",
        "message": "the lake is busy",
        "transient": True,
        "retry_after": 2.5,
    }
    assert Failure.from_document(failure.to_document() | {"added_later": 1}) == failure


def test_no_failure_can_be_made_with_a_secret() -> None:
    """Redaction is not a step somebody may forget."""
    failed = Failed(Failure(Kind.SLIPWAY, "x", f"Bearer {JWT}"))

    assert CANARY not in str(failed)
    assert CANARY not in json.dumps(failed.failure.to_document())


@pytest.mark.parametrize(
    "text",
    [
        f"GET https://x.blob.core.windows.net/a/b?sv=2024-01-01&sig={CANARY}%3D&se=2030",
        f"SIG={CANARY}",
        f"https://app.azurewebsites.net/api/runs?code={CANARY}==&x=1",
        f"Authorization: Bearer {JWT}",
        f"token {JWT} is expired",
        f"DefaultEndpointsProtocol=https;AccountName=x;AccountKey={CANARY}==;EndpointSuffix=core",
        f"Endpoint=sb://x/;SharedAccessKeyName=r;SharedAccessKey={CANARY}=",
        f"SharedKey devstoreaccount1:{CANARY}",
        f'{{"access_token": "{CANARY}", "expires_in": 1}}',
        f"x-functions-key: {CANARY}",
        f"x-identity-header: {CANARY}",
        f"client_secret={CANARY}&grant_type=client_credentials",
        f"password: {CANARY}",
        f"could not parse '{CANARY} {'x' * 80}'",
        f'could not parse "{CANARY} {"x" * 80}',
        f"row 3 is bad: 2013,1,1,517,515,{CANARY},830",
        f"row 3 is bad: 2013\t1\t1\t517\t515\t{CANARY}",
        f"row 3 is bad: a;b;c;d;{CANARY};f",
    ],
)
def test_secrets_and_data_never_pass(text: str) -> None:
    """A canary in every place where services, keys and readers of tables put them."""
    assert CANARY not in redact(text)


def test_keys_are_recognised_wherever_they_stand() -> None:
    """Storage account and Functions keys are base64 of 64 and 32 bytes."""
    assert KEY not in redact(f"tried {KEY} and failed")
    assert "[redacted]" in redact(f"tried {KEY} and failed")


@pytest.mark.parametrize(
    "text",
    [
        "landing/flights/2013-01/flights.csv changed while it was being staged (etag 0x8DC1, now 0x8DC2).",
        "run flight-delay--2013-01--0a1b2c3d-1-a2 failed with exit code 3: file 'scores.parquet' is missing",
        "expected one of: hourly, daily, weekly, monthly, quarterly, static",
        "403 AuthorizationPermissionMismatch at https://127.0.0.1:10443/devstoreaccount1/models/a?timeout=30",
        "'std_log.txt' says: clean.py: /work/inputs/observations/2013-01-09.csv: line 52 has not the header's columns",
    ],
)
def test_what_people_need_stays(text: str) -> None:
    """Paths, codes, run ids, addresses without signatures."""
    assert redact(text) == text


def test_control_characters_cannot_forge_a_line() -> None:
    """T8: line breaks, terminal sequences and direction marks are shown, not done."""
    assert redact("a\nb\x1b[31m\u202e\u2028") == "a\\nb\\x1b[31m\\u202e\\u2028"


def test_long_texts_are_cut() -> None:
    """A record holds a message, not a log."""
    assert len(redact("word " * 100_000)) == LONGEST_MESSAGE
    assert redact("word " * 100_000).endswith("…")


def test_a_secret_at_the_place_of_the_cut_does_not_survive_in_half() -> None:
    """What is cut for time is cut between words."""
    text = "'" + "x" * 19_985 + f"' sig={CANARY}"

    assert CANARY[:6] not in redact(text)


@given(st.text(max_size=3000))
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    """For any text; and it is short and without control characters."""
    once = redact(text)

    assert redact(once) == once
    assert len(once) <= LONGEST_MESSAGE
    assert not any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in once)


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "text",
    ["," * 200_000, "'" * 200_000, "eyJ" * 100_000, "a=" * 100_000, "sig=" * 50_000, "x" * 19_999, "Pwd " * 4_999],
)
def test_hostile_texts_cost_little_time(text: str) -> None:
    """T17: no pattern takes more than linear time."""
    redact(text)
