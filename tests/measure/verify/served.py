"""A server of completions for the tests: right, or broken in a way that is known."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import log
from threading import Thread
from typing import Any

import numpy as np

WORDS = ["red", " blue", " green", " one", " two", " three", ".", " and"]


END = "<end>"


def shares(text: str) -> np.ndarray:
    """What comes after a text depends on its end alone."""
    seed = sum(ord(letter) * (at + 1) for at, letter in enumerate(text[-6:]))
    return np.random.default_rng(seed).dirichlet(np.full(len(WORDS), 0.7))


def completion(body: dict[str, Any], fault: str) -> dict[str, Any]:
    """What the server answers. Faults: "greedy" draws, "overrun" of stops, "long" texts, "other"
    words when several are wanted, "mute" about tokens. No faults: texts end, which is "told" as a
    token, "untold", or told "late" (a text of one token has reached its length first).
    """
    ends = fault in ("told", "untold", "late")
    text, tokens, top = "", [], []
    coins = np.random.default_rng(body["seed"])
    many = body["max_tokens"] + (fault == "long" and body["max_tokens"] > 1)
    late, reason = 0, "length"
    for at in range(many):
        p = shares(body["prompt"] + text)
        if ends and (p.argmax() == 6 if not body["temperature"] else coins.random() < p[6] / 4):
            late_end = fault == "late" and body["max_tokens"] == 1
            reason = "length" if late_end else "stop"
            if fault != "untold":
                tokens.append(END)
                top.append({END: 0.0})
            break
        greedy = not body["temperature"] or (fault == "greedy" and coins.random() < 0.7)
        word = WORDS[int(p.argmax() if greedy else coins.choice(len(p), p=p))]
        if fault == "other" and at == 3:
            word = WORDS[int(p.argmin())]
        tokens.append(word)
        top.append({WORDS[n]: log(p[n]) for n in np.argsort(-p)[:5]})
        text += word
        stops = [s for s in body.get("stop", ()) if s in text]
        late += bool(stops)
        if stops and (fault != "overrun" or late > 2):
            reason = "stop"
            text = text if fault == "overrun" else text[: text.index(stops[0])]
            break
    told = None if fault == "mute" else {"tokens": tokens, "top_logprobs": top}
    return {"choices": [{"text": text, "logprobs": told, "finish_reason": reason}]}


@contextmanager
def serving(fault: str = "") -> Iterator[str]:
    """The address of a server that has this fault. "refuses" and "nonsense" answer nothing."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, reply = 200, json.dumps(completion(body, fault)).encode()
            if fault == "refuses":
                status, reply = 401, b'{"error": "a key is needed"}'
            if fault == "nonsense":
                reply = b"<html>hello</html>"
            self.send_response(status)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_):
            return

    class Server(ThreadingHTTPServer):
        request_queue_size = 64  # all requests of a test come at once

    server = Server(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
