"""A server of its own: OpenAI's client, clients that leave or dawdle, signals, kill, restart."""

import json
import re
import shlex
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from anyorder.cli.main import main
from anyorder.decode.generate import generate
from anyorder.measure.verify.endpoint import Endpoint, TokenByToken
from anyorder.measure.verify.laws import Effort, examine
from tests.models import made
from tests.serve.clients import (
    CHAT,
    COMPLETIONS,
    HI,
    Process,
    chatty,
    posted,
    running,
    served,
)
from tests.serve.made import folder_of, lm_of

LONG = {
    "prompt": "the cat",
    "max_tokens": 200,
    "temperature": 0,
    "logit_bias": {"0": -100},  # it does not end by itself
    "decoder": "left-to-right",
}
DOCS = Path(__file__).parents[2] / "docs" / "serve.md"


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    log = tmp_path_factory.mktemp("serve") / "log"
    with running(log, "--seats", "2", "--waiting", "2", "--slow-client", "1") as there:
        yield there


@pytest.fixture
def client(process: Process) -> Iterator[openai.OpenAI]:
    url = f"http://127.0.0.1:{process.port}/v1"
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0, timeout=60) as there:
        yield there


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def error(answer: bytes) -> dict[str, Any]:
    """The error of an answer, which is JSON whatever went wrong."""
    return json.loads(answer.partition(b"\r\n\r\n")[2])["error"]


def figures(process: Process) -> dict[str, float]:
    """What the metrics say of now."""
    text = process.get("/metrics")[1]
    names = ("waiting", "writing", "tokens_in_flight", "calls")
    return {name: float(re.search(rf"^anyorder_{name} (\S+)", text, re.M)[1]) for name in names}  # type: ignore[index]


def until_idle(process: Process, patience: float = 10.0) -> None:
    """Wait until nothing is written."""
    end = time.monotonic() + patience
    while any(figures(process)[name] for name in ("waiting", "writing", "tokens_in_flight")):
        assert time.monotonic() < end, figures(process)
        time.sleep(0.02)


def test_openai_s_own_client(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").owned_by == "anyorder"
    said = generate(chatty(), "the cat", max_new_tokens=12)
    chat = client.chat.completions.create(
        model="tiny",
        messages=HI,
        max_tokens=12,
        temperature=0,
        logprobs=True,
        top_logprobs=2,  # type: ignore[arg-type]
    )
    assert chat.choices[0].message.content == said.text
    assert chat.usage is not None
    assert chat.usage.completion_tokens == len(said.tokens)
    assert chat.choices[0].logprobs is not None
    assert chat.choices[0].logprobs.content is not None
    first = chat.choices[0].logprobs.content[0]
    assert first.top_logprobs[0].token == first.token
    stream = client.chat.completions.create(
        model="tiny",
        messages=[{"role": "user", "content": "the cat"}],
        max_tokens=12,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == said.text
    assert chunks[-1].usage == chat.usage


def test_openai_s_own_client_and_what_is_ours(client: openai.OpenAI) -> None:
    options = {"temperature": 1.0, "max_new_tokens": 8, "chat": False}
    out = [generate(chatty(), "the cat", seed=seed, **options) for seed in (3, 4)]  # type: ignore[arg-type]
    found = client.completions.create(model="tiny", prompt="the cat", n=2, seed=3, max_tokens=8)
    assert [choice.text for choice in found.choices] == [one.text for one in out]
    holes = {"infill": [{"hole": 3}, {"text": "!"}]}
    traced = client.completions.create(
        model="tiny",
        prompt="the cat",
        max_tokens=9,
        extra_body={"decoder": "jacobi:block=4", "trace": True} | holes,
    )
    assert traced.choices[0].text.endswith("!")
    assert traced.model_extra is not None
    assert len(traced.model_extra["anyorder"]["trace"]) > 2
    with pytest.raises(openai.BadRequestError, match="there is no decoder"):
        client.completions.create(model="tiny", prompt="a", extra_body={"decoder": "x"})
    with pytest.raises(openai.NotFoundError, match="there is no model 'gpt'"):
        client.completions.create(model="gpt", prompt="a")


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_the_docs_lines_of_curl_work(process: Process) -> None:
    text = DOCS.read_text(encoding="utf-8")
    block = "".join(re.findall(r"```console\n(.*?)```", text, re.S))
    lines = re.findall(r"^\$ (curl (?:[^\n]|\\\n)*?(?<!\\))$", block, re.M)
    assert len(lines) >= 4
    for line in lines:
        words = shlex.split(line.replace("\\\n", " "))
        words = [word.replace("localhost:8000", f"127.0.0.1:{process.port}") for word in words]
        words = [word.replace("smollm2", "tiny") for word in words]
        done = subprocess.run([*words, "--fail-with-body"], capture_output=True, timeout=60)
        assert done.returncode == 0, (line, done.stdout)


def test_a_client_that_leaves_frees_its_seat(process: Process) -> None:
    until_idle(process)
    for body in (LONG, LONG | {"stream": True}):
        for hard in (False, True):
            before = figures(process)["calls"]
            with socket.create_connection(("127.0.0.1", process.port)) as line:
                if hard:  # a reset, not a goodbye
                    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                line.sendall(posted(COMPLETIONS, body | {"max_tokens": 250, "n": 2}))  # 500 calls
                while not figures(process)["writing"]:
                    time.sleep(0.001)
            until_idle(process, patience=5.0)
            assert figures(process)["calls"] - before < 350


def test_too_much_at_once_is_refused_and_served_later(process: Process) -> None:
    until_idle(process)
    answers: list[bytes] = []

    def ask() -> None:
        answers.append(process.ask(posted(COMPLETIONS, LONG), patience=60))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {status(answer) for answer in answers} == {200, 429}
    refused = next(answer for answer in answers if status(answer) == 429)
    assert b"retry-after: 1\r\n" in refused.lower()
    assert error(refused)["type"] == "rate_limit_error"
    texts = [
        json.loads(a.partition(b"\r\n\r\n")[2])["choices"] for a in answers if status(a) == 200
    ]
    assert all(text == texts[0] for text in texts), "company changes no text"
    until_idle(process)
    assert status(process.ask(posted(COMPLETIONS, LONG))) == 200


ODD = [
    b"",
    b"\x00\xff\x16\x03\x01\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"NONSENSE\r\n\r\n",
    b"GET /v1/models HTTP/1.1\r\n\r\n",
    b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\nConnection: close\r\n\r\n",
    b"GET /%ff%00/../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET /\xc3\xa9 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: " + b"a" * 100_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: a\r\n" * 10_000 + b"\r\n",
    posted(COMPLETIONS, b'{"prompt": "a", "max', headers="X-A: b\r\n"),
    posted(COMPLETIONS, b"\xff\xfe\x00\x01"),
    posted(COMPLETIONS, b'{"prompt": "\xe9"}'),
    posted(COMPLETIONS, '{"prompt": "the cat", "max_tokens": 1}'.encode("utf-16")),
    posted(COMPLETIONS, b'{"prompt": ' + b"[" * 50_000),
    posted(COMPLETIONS, b'{"seed": ' + b"9" * 100_000 + b"}"),
    posted(COMPLETIONS, b"{}", headers="Content-Length: 5\r\n"),
    posted(COMPLETIONS, b"{}", headers="Transfer-Encoding: chunked\r\n"),
    posted(COMPLETIONS, b"{}", headers="Expect: 100-continue\r\n"),
    posted(COMPLETIONS, b"a" * 1_500_000),
    f"POST {COMPLETIONS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    "Transfer-Encoding: chunked\r\n\r\nzz\r\n".encode(),
    f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n".encode(),
]


def test_no_bytes_break_it(process: Process) -> None:
    for raw in ODD:
        try:
            answer = process.ask(raw, more=False)
        except ConnectionResetError:
            continue  # it had more to say to us than we to it
        for part in re.findall(rb"HTTP/1\.1 (\d\d\d)", answer):
            assert int(part) < 500, (raw[:80], answer[:300])
        if answer and b"application/json" in answer.lower():
            json.loads(answer.rpartition(b"\r\n\r\n")[2] or b"{}")
    assert process.get("/healthz")[0] == 200


def test_nobody_waits_for_those_who_dawdle(process: Process) -> None:
    """Half a head, half a body, a body that comes byte by byte: a second, then it is over."""
    whole = posted(COMPLETIONS, {"prompt": "the cat", "max_tokens": 1})
    begun_at = time.monotonic()
    assert process.ask(whole[:30]) == b"", "no head, no answer"
    late = process.ask(whole[:-5])
    assert status(late) == 408
    assert "1 seconds" in error(late)["message"]
    assert time.monotonic() - begun_at < 8
    with socket.create_connection(("127.0.0.1", process.port), timeout=10) as line:
        line.sendall(whole.replace(b"Connection: close\r\n", b""))
        assert b"200 OK" in line.recv(65536)
        line.sendall(whole[:30])
        while line.recv(65536):
            pass  # the second request of a connection is not waited for either


def test_a_killed_server_starts_again_and_one_that_is_told_to_end_ends_in_order(
    tmp_path: Path,
) -> None:
    with running(tmp_path / "killed") as killed:
        killed.child.kill()
        killed.child.wait()
    flags = ("--grace", "20", "--port", str(killed.port), "--decoder", "left-to-right")
    with running(tmp_path / "log", *flags) as process:
        assert process.port == killed.port
        answers: list[bytes] = []
        raw = posted(COMPLETIONS, LONG | {"stream": True, "max_tokens": 240})
        thread = threading.Thread(target=lambda: answers.append(process.ask(raw)))
        thread.start()
        while not figures(process)["writing"]:
            time.sleep(0.001)
        process.child.send_signal(signal.SIGTERM)
        time.sleep(0.05)
        try:
            told = process.get("/readyz")
        except OSError:
            told = None  # what ran was finished already
        assert told in (None, (503, {"status": "draining"}))
        thread.join()
        assert answers[0].rstrip(b"\r\n0").endswith(b"data: [DONE]")
        assert process.child.wait(20) == 0
        assert process.lines()[-1]["event"] == "ended"


def test_what_takes_too_long_is_given_up() -> None:
    body = LONG | {"max_tokens": 240, "decoder": "left-to-right"}
    with served(timeout=0.02) as server:
        error = server.refused(COMPLETIONS, 504, **body)
        assert "0.02 seconds" in error["message"]
        streamed = server.client.post(COMPLETIONS, json=body | {"stream": True})
        assert streamed.status_code == 504 or '"code": "timeout"' in streamed.text
        end = time.monotonic() + 5
        while server.service.now.desk.figures.writing:
            assert time.monotonic() < end, "its seat is free"


def test_a_model_that_is_not_there_ends_it_with_a_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--model", str(tmp_path), "--port", "0"]) == 1
    assert capfd.readouterr().err.splitlines()[-1].startswith("anyorder: ")


@pytest.mark.parametrize(
    ("flag", "value", "sentence"),
    [
        ("--decoder", "nope", "--decoder: there is no decoder 'nope'"),
        ("--decoder", "jacobi:blocks=4", "has no option 'blocks'"),
        ("--decoder", "speculative:draft_model=x", "none can be loaded here"),
        ("--precision", "int9", "--precision: there is no precision 'int9'; there is auto"),
        ("--device", "tpu", "--device: 'tpu' is no device: say cpu, cuda, or cuda:1"),
        ("--exactness", "most", "--exactness: there is no exactness 'most'; there is usual"),
    ],
)
def test_what_is_wrong_whatever_the_model_is_said_before_it_listens(
    flag: str, value: str, sentence: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--model", str(folder_of()), "--port", "0", flag, value]) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("anyorder: ")
    assert sentence in line


def test_a_model_whose_bits_can_t_be_promised_ends_it_with_a_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = made.folder(tmp_path / "opt", "opt")
    asked = ["serve", "--model", str(folder), "--port", "0", "--exactness", "bitwise"]
    assert main(asked) == 1
    assert "no bit can be promised for opt" in capfd.readouterr().err.splitlines()[-1]


def test_a_decoder_that_does_not_fit_the_model_ends_it_with_a_sentence(
    capfd: pytest.CaptureFixture[str],
) -> None:
    asked = ["serve", "--model", str(folder_of()), "--port", "0", "--decoder", "ctc-greedy"]
    assert main(asked) == 1
    said = capfd.readouterr().err.splitlines()[-1]
    assert "ctc-greedy needs a CTCModel" in said
    assert "left-to-right" in said


def test_an_address_that_is_taken_is_a_sentence(
    process: Process, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--port", str(process.port)]) == 1
    said = capfd.readouterr().err.splitlines()[-1]
    assert f"127.0.0.1:{process.port} can't be listened at" in said


def test_the_laws_hold_of_it_token_by_token(process: Process) -> None:
    """Its tokens are sent again as numbers: as text they would be cut into others."""
    served = Endpoint(f"http://127.0.0.1:{process.port}/v1", "tiny", {"decoder": "token-recycling"})
    plain = TokenByToken(served)
    assert plain._tells_ids
    prompts = ["the cat sat", "abcabcabc", "b"]
    found = list(examine(served, plain, prompts, Effort(new=12, draws=0)))
    assert [each.holds for each in found if each.law in (1, 3)] == [True, True], found


def test_the_advice_about_drawn_tokens_can_be_followed(process: Process) -> None:
    url, often = f"http://127.0.0.1:{process.port}/v1", {"logit_bias": {"0": 8}}  # texts end soon
    effort = Effort(new=6, draws=4)
    for asked in (often, often | {"ignore_eos": True}):
        served = Endpoint(url, "tiny", asked)
        (*_, found) = examine(served, TokenByToken(served), ["the cat sat", "b"], effort)
        assert found.law == 2
        if "ignore_eos" in asked:
            assert found.holds is not None, found.sentence
        else:
            assert "--with ignore_eos=true" in found.sentence


def test_tokens_are_told_as_numbers(process: Process) -> None:
    body = {"prompt": "the cat", "max_tokens": 5, "temperature": 0, "return_token_ids": True}
    raw = process.ask(posted("/v1/completions", body))
    one = json.loads(raw.partition(b"\r\n\r\n")[2])["choices"][0]
    assert one["prompt_token_ids"] == list(lm_of().units.encode("the cat"))
    assert lm_of().units.decode(one["token_ids"]) == one["text"]
