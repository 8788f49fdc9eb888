"""The client of the HTTP API: what is sent where, what is sent again, and what an answer means."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from slipway.azure import credential
from slipway.cli import client as module
from slipway.cli.client import Client, NoAnswer, NoName, Refused, Unreachable, address
from slipway.cli.environments import Target

JSON, PROBLEM = "application/json", "application/problem+json"
#: What a server answers: status, content type, body; or None to hang up.
Answer = tuple[int, str, str] | None


class Server:
    """Answers as it was told, in turn, and remembers what it was asked; the last answer again and again."""

    def __init__(self, *answers: Answer) -> None:
        self.seen: list[tuple[str, str, dict[str, str], Any]] = []
        waiting = list(answers)

        class Handler(BaseHTTPRequestHandler):
            def answer(handler) -> None:  # noqa: N805 - `self` is the server
                body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
                headers = dict(handler.headers.items())
                self.seen.append((handler.command, handler.path, headers, json.loads(body) if body else None))
                told = waiting.pop(0) if len(waiting) > 1 else waiting[0]
                if told is None:
                    handler.close_connection = True
                    return
                status, kind, text = told
                handler.send_response(status)
                handler.send_header("Content-Type", kind)
                if 300 <= status < 400:
                    handler.send_header("Location", text)
                handler.send_header("Content-Length", str(len(text)))
                handler.end_headers()
                handler.wfile.write(text.encode())

            do_GET = do_POST = answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """No more answers."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Server]]:
    """Make servers for a test; nothing waits between two tries."""
    made: list[Server] = []

    def make(*answers: Answer) -> Server:
        made.append(Server(*answers))
        return made[-1]

    monkeypatch.setattr(module, "pause", lambda _: None)
    yield make
    for one in made:
        one.stop()


def client(server: Server, audience: str | None = None) -> Client:
    """A client of the server."""
    return Client(Target("local", server.url, audience))


def test_names_become_segments_and_what_is_not_given_no_filter(server: Callable[..., Server]) -> None:
    """A name with a slash or a question mark stays one name."""
    one = server((200, JSON, "{}"))

    assert client(one).get("models", "a/b?c", "periods", "2025 03", limit=3, cursor=None) == {}

    assert one.seen[0][:2] == ("GET", "/api/models/a%2Fb%3Fc/periods/2025%2003?limit=3")
    assert "Authorization" not in one.seen[0][2]


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_cannot_lead_elsewhere(name: str) -> None:
    """Servers take these segments for ways."""
    with pytest.raises(NoName):
        address("runs", name)


@pytest.mark.parametrize("lost", [None, (502, "text/html", "<html>"), (504, "text/html", "")])
def test_a_change_whose_answer_was_lost_is_sent_again_with_its_key(server: Callable[..., Server], lost: Answer) -> None:
    """Twice; the words and the key are the same."""
    one = server(lost, lost, (202, JSON, '{"run": "a"}'))

    assert client(one).post("runs", "a", "cancel", body={"reason": "why not"}) == {"run": "a"}

    keys = {headers["Idempotency-Key"] for _, _, headers, _ in one.seen}
    assert (len(one.seen), len(keys)) == (3, 1)
    assert {json.dumps(body) for *_, body in one.seen} == {'{"reason": "why not"}'}


def test_each_change_has_a_key_of_its_own_unless_it_is_given_one(server: Callable[..., Server]) -> None:
    """Two equal commands are two requests."""
    one = server((202, JSON, "{}"))
    for key in (None, None, "mine"):
        client(one).post("runs", "a", "cancel", body={"reason": "why not"}, key=key)

    keys = [headers["Idempotency-Key"] for _, _, headers, _ in one.seen]
    assert (len(set(keys)), keys[2]) == (3, "mine")


def test_a_change_that_is_never_answered_names_the_key_to_ask_again_with(server: Callable[..., Server]) -> None:
    """It may have been carried out; whoever asks anew with another key would do it twice."""
    one = server(None)

    with pytest.raises(NoAnswer) as caught:
        client(one).post("runs", "a", "cancel", body={"reason": "why not"})

    assert f"--key {one.seen[0][2]['Idempotency-Key']}" in caught.value.detail
    assert len(one.seen) == 3


def test_a_problem_is_what_the_api_says_and_is_not_asked_again(server: Callable[..., Server]) -> None:
    """Whatever its status."""
    problem = {"title": "A run is active", "detail": "a is active.", "status": 409, "run": "a"}
    one = server((409, PROBLEM, json.dumps(problem)))

    with pytest.raises(Refused) as caught:
        client(one).post("runs", "a", "cancel", body={"reason": "why not"})

    assert (caught.value.problem, len(one.seen)) == (problem, 1)


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        ((401, "text/html", "You do not have permission"), "Not signed in"),
        ((404, "text/html", "<h1>nginx</h1>"), "Not reachable"),
        ((200, "text/html", "<h1>welcome</h1>"), "Not reachable"),
        ((200, JSON, "{half"), "Not reachable"),
        ((200, JSON, "[]"), "Not reachable"),
    ],
)
def test_an_answer_that_is_not_the_apis_is_no_answer(server: Callable[..., Server], answer: Answer, title: str) -> None:
    """Somebody else may stand at that address."""
    with pytest.raises(Unreachable) as caught:
        client(server(answer)).get("board")

    assert caught.value.title == title


class Credential:
    """Gives a token for each scope."""

    def get_token(self, *scopes: str) -> AccessToken:
        """The scope is in it."""
        return AccessToken(f"token-for-{scopes[0]}", 0)


def test_a_token_is_sent_to_the_environments_address_and_not_after_a_redirect(
    server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is anything else."""
    monkeypatch.setattr(credential, "credential", Credential)
    thief = server((200, JSON, "{}"))
    one = server((302, "text/html", f"{thief.url}/api/board"))

    with pytest.raises(Unreachable) as caught:
        client(one, "api://slipway").get("board")

    assert one.seen[0][2]["Authorization"] == "Bearer token-for-api://slipway/.default"
    assert thief.seen == []
    assert "redirect" in caught.value.detail
    assert "token-for" not in caught.value.detail


class NoCredential:
    """Knows many ways to sign in, and found none."""

    def get_token(self, *_: str) -> AccessToken:
        """None to be had."""
        raise ClientAuthenticationError("No credential worked.\nAttempted credentials:\n\tEnvironmentCredential: no.")


def test_who_has_no_token_is_told_to_sign_in_and_nothing_is_sent(
    server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one sentence, not in twenty."""
    monkeypatch.setattr(credential, "credential", NoCredential)
    one = server((200, JSON, "{}"))

    with pytest.raises(Unreachable) as caught:
        client(one, "api://slipway").get("board")

    assert (caught.value.title, one.seen) == ("Not signed in", [])
    assert "Attempted" not in caught.value.detail
    assert "az login" in caught.value.detail


def test_nobody_at_an_address_is_told_at_once(server: Callable[..., Server]) -> None:
    """What was never sent needs no second try, and no key."""
    one = server((200, JSON, "{}"))
    one.stop()

    with pytest.raises(Unreachable) as caught:
        client(one).post("runs", "a", "cancel", body={"reason": "why not"})

    assert "make up" in caught.value.detail
    assert "--key" not in caught.value.detail


def test_a_list_is_read_page_by_page(server: Callable[..., Server]) -> None:
    """Until there is no next one."""
    one = server((200, JSON, '{"next": "c1", "n": 1}'), (200, JSON, '{"next": null, "n": 2}'))

    assert [page["n"] for page in client(one).pages("incidents", status="open")] == [1, 2]
    assert [path for _, path, _, _ in one.seen] == [
        "/api/incidents?status=open",
        "/api/incidents?status=open&cursor=c1",
    ]
