"""Strangers are kept out: keys, names of the server, pages of other origins, careful browsers."""

from pathlib import Path

import pytest

from anyorder.serve.keys import Keys, hashed, made
from anyorder.serve.security import HEADERS, _host
from anyorder.serve.settings import Settings
from tests.serve.clients import COMPLETIONS, served

BODY = {"prompt": "the cat", "max_tokens": 2}


def test_a_key_is_known_by_its_hash_alone(tmp_path: Path) -> None:
    (key, line), (other, _) = made(), made()
    file = tmp_path / "keys"
    file.write_text(f"# ours\n\n{line}  # Anna\n")
    assert key not in file.read_text()
    keys = Keys.of(file)
    assert keys.knows(key)
    assert not keys.knows(other)
    assert not keys.knows("")
    assert not keys.knows(hashed(key)), "what lies on the disk opens nothing"
    assert not keys.knows("\ud800")


@pytest.mark.parametrize("text", ["", "# none\n", "ao-plain\n", "sha256:12\n", f"md5:{'0' * 64}"])
def test_a_file_without_hashed_keys_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys").write_text(text)
    with pytest.raises(ValueError, match="--hash-key` makes one"):
        Keys.of(tmp_path / "keys")
    with pytest.raises(ValueError, match="can't be read"):
        Keys.of(tmp_path / "nowhere")


def test_off_loopback_there_must_be_keys() -> None:
    with pytest.raises(ValueError, match="api-keys-file"):
        Settings(host="0.0.0.0")
    assert not Settings(host="0.0.0.0", api_keys_file="keys").is_local
    assert all(Settings(host=host).is_local for host in ("127.0.0.1", "::1", "localhost"))


def test_only_those_with_a_key_are_served() -> None:
    key, line = made()
    keys = Keys((line.removeprefix("sha256:"),))
    with served(keys=keys) as server:
        client = server.client
        for path in ("/v1/models", "/v1/nothing", "/metrics"):
            answer = client.get(path)
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.json()["error"]["code"] == "invalid_api_key"
        assert client.post(COMPLETIONS, json=BODY).status_code == 401
        assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
        for said, status in (
            (f"Bearer {key}", 200),
            (f"bearer  {key} ", 200),
            (f"Bearer {key}x", 401),
            (f"Basic {key}", 401),
            (key, 401),
        ):
            answer = client.post(COMPLETIONS, json=BODY, headers={"Authorization": said})
            assert answer.status_code == status, said


def test_a_page_can_t_call_the_server_by_its_own_name() -> None:
    with served(allowed_hosts=("box.local",)) as server:
        for host, status in (
            ("127.0.0.1:8000", 200),
            ("localhost", 200),
            ("[::1]:8000", 200),
            ("BOX.local:1", 200),
            ("evil.example", 403),
            ("127.0.0.1.evil.example", 403),
            ("", 403),
        ):
            answer = server.client.get("/v1/models", headers={"Host": host})
            assert answer.status_code == status, host
    assert _host("[::1]:80") == "::1"


def test_other_origins_are_let_in_only_if_asked_for() -> None:
    origin = {"Origin": "https://page.example"}
    ask = origin | {"Access-Control-Request-Method": "POST"}
    with served() as server:
        assert (
            "access-control-allow-origin"
            not in server.client.get("/v1/models", headers=origin).headers
        )
        assert server.client.options(COMPLETIONS, headers=ask).status_code == 405
    with served(cors_origins=("https://page.example",)) as server:
        allowed = server.client.options(COMPLETIONS, headers=ask)
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == "https://page.example"
        other = {"Origin": "https://other.example"}
        assert (
            "access-control-allow-origin"
            not in server.client.get("/v1/models", headers=other).headers
        )


def test_browsers_are_told_to_be_careful() -> None:
    with served() as server:
        for path in ("/v1/models", "/nothing", "/healthz"):
            headers = server.client.get(path).headers
            assert {name: headers[name] for name in HEADERS} == HEADERS
        assert "server" not in server.client.get("/healthz").headers


def test_there_is_no_page_that_loads_from_elsewhere() -> None:
    with served() as server:
        assert server.client.get("/docs").status_code == 404
        assert server.client.get("/redoc").status_code == 404
        assert server.client.get("/openapi.json").status_code == 200
