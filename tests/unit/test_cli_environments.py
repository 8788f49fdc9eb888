"""`environments.yaml`: which app the command line asks, and what of it is refused, with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from slipway.cli.environments import Target, UnknownEnvironment, chosen
from slipway.problems import DefinitionError
from slipway.settings import DESK_URL

GOOD = """
prod: {url: https://slipway.example.net/, audience: api://1f0c}
test:
  url: http://127.0.0.1:7171
"""


def test_without_a_name_the_local_app_is_asked_and_no_token_sent(tmp_path: Path) -> None:
    """Also where there is no file at all."""
    assert chosen(None, tmp_path) == Target("local", DESK_URL, None)
    (tmp_path / "environments.yaml").write_text(GOOD)
    assert chosen(None, tmp_path) == chosen("local", tmp_path) == Target("local", DESK_URL, None)


def test_the_nearest_file_upward_is_read(tmp_path: Path) -> None:
    """As wherever one stands in a repository."""
    (tmp_path / "environments.yaml").write_text(GOOD)
    below = tmp_path / "models" / "shop-revenue"
    below.mkdir(parents=True)

    assert chosen("prod", below) == Target("prod", "https://slipway.example.net", "api://1f0c")
    assert chosen("test", below).loopback
    (below / "environments.yaml").write_text("local: {url: 'http://localhost:7272'}")
    assert chosen(None, below) == Target("local", "http://localhost:7272", None)


def test_an_unknown_name_is_answered_with_those_there_are(tmp_path: Path) -> None:
    """Or with where a file was looked for."""
    with pytest.raises(UnknownEnvironment, match=r"no environments\.yaml here or in a folder above"):
        chosen("prod", tmp_path)
    (tmp_path / "environments.yaml").write_text(GOOD)
    with pytest.raises(UnknownEnvironment, match=r"'staging'.* has prod, test"):
        chosen("staging", tmp_path)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("prod: {url: 'http://slipway.example.net', audience: api://x}", "tokens are sent over https only"),
        ("prod: {url: 'http://127.0.0.1.example.net', audience: api://x}", "tokens are sent over https only"),
        ("prod: {url: 'file:///etc/passwd', audience: api://x}", "a url has a host"),
        ("prod: {url: 'ftp://slipway.example.net', audience: api://x}", "tokens are sent over https only"),
        ("prod: {url: 'https://me:pw@slipway.example.net', audience: api://x}", "no user"),
        ("prod: {url: 'https://slipway.example.net?code=1', audience: api://x}", "no user, query"),
        ("prod: {url: 'https://slipway example.net', audience: api://x}", "a url has a host"),
        ("prod: {url: 'https://slipway.example.net:port', audience: api://x}", "this is not a URL"),
        ("prod: {url: https://slipway.example.net}", "an environment in Azure needs an audience"),
        ("prod: {url: https://slipway.example.net, audience: 'two words'}", "'two words' is not allowed here"),
        ("prod: {url: https://slipway.example.net, audience: api://x, token: abc}", "'token' is no field here"),
        ("prod: {audience: api://x}", "`url` is required"),
        ("prod: https://slipway.example.net", "is not a mapping of fields"),
        ("prod: {url: 5, audience: api://x}", "is not a text"),
        ("PROD: {url: https://slipway.example.net, audience: api://x}", "is not allowed here"),
    ],
)
def test_what_breaks_a_rule_is_told_with_its_line(tmp_path: Path, line: str, told: str) -> None:
    """Whichever environment was asked for: a file is right or it is not."""
    (tmp_path / "environments.yaml").write_text(f"# ours\n{line}\n")

    with pytest.raises(DefinitionError) as caught:
        chosen("prod", tmp_path)

    assert told in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path}/environments.yaml:2: ")
