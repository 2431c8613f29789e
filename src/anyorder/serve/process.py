"""The server as a process: it listens at once, loads the model meanwhile, and ends in good order.

    run(settings, load)                   # returns when it was told to end

The first SIGTERM or SIGINT lets what runs end (up to `grace` seconds, while new requests are told
to come back; then clients are handed what there is of their texts); the second ends the grace, and
the third does not wait for clients either.
"""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from anyorder.decode.catalogue import parse
from anyorder.models.load import insists, settled
from anyorder.models.writer import Writer
from anyorder.nets.device import device
from anyorder.serve.app import app_of
from anyorder.serve.keys import Keys
from anyorder.serve.logs import LOG, configure
from anyorder.serve.memory import share_memory
from anyorder.serve.metrics import Metrics
from anyorder.serve.pages.about import about
from anyorder.serve.pages.site import router
from anyorder.serve.service import Service
from anyorder.serve.settings import Settings
from anyorder.serve.wire import Wire

LAST = 3.0  # seconds after the grace in which answers that were cut short are sent
HEADERS_BYTES = 32_768  # of a request line and its headers


class Server(uvicorn.Server):
    """Uvicorn's, which drains before it stops listening."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self.service = service
        self.drains_until: float | None = None
        self.gives_up = False
        self.signals = 0
        self.failure: BaseException | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain first; whoever asks twice is in a hurry. What is to be done is done by `on_tick`:
        the thread that was interrupted here may hold locks, and streams are to be told.
        """
        self.signals += 1
        self.service.drains = True
        if self.signals > 2:
            self.should_exit = self.force_exit = True
        grace = self.service.settings.grace if self.signals == 1 else 0.0
        end = time.monotonic() + grace
        self.drains_until = end if self.drains_until is None else min(self.drains_until, end)

    async def on_tick(self, counter: int) -> bool:
        """Stop listening once nothing runs, or the grace is over."""
        if self.drains_until is not None:
            late = time.monotonic() - self.drains_until
            if not self.service.is_busy or late > LAST:
                self.should_exit = True
            elif late > 0 and not self.gives_up:  # whoever waits is handed what there is
                self.gives_up = True
                threading.Thread(target=self.service.close, args=(0.0,), daemon=True).start()
        return await super().on_tick(counter)

    def fail(self, error: BaseException) -> None:
        """The model can't be loaded: there is nothing to serve."""
        self.failure, self.should_exit = error, True


def run(settings: Settings, load: Callable[[], Writer]) -> None:
    """Serve until a signal. Raises ValueError or OSError for what can't be set up."""
    _check(settings)
    share_memory()
    keys = None if settings.api_keys_file is None else Keys.of(Path(settings.api_keys_file))
    configure()
    service = Service(settings, Metrics())
    app = app_of(service, keys=keys, pages=router(_about(service)).routes)
    listener = bound(settings.host, settings.port)
    config = uvicorn.Config(
        app,
        http=Wire.patient(settings.slow_client),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=HEADERS_BYTES,
        timeout_graceful_shutdown=2,
    )
    server = Server(config, service)
    threading.Thread(target=_load, args=(server, load), daemon=True, name="loading").start()
    address = listener.getsockname()
    LOG.info("listening", extra={"facts": {"host": address[0], "port": address[1]}})
    try:
        asyncio.run(server.serve(sockets=[listener]))
    finally:
        with contextlib.suppress(OSError):
            listener.close()
        service.close(0.0)
        LOG.info("ended")
    if server.failure is not None:
        raise server.failure


def _check(settings: Settings) -> None:
    """Raises ValueError for what is wrong whatever the model: nobody waits until it is loaded."""
    checks: dict[str, Callable[[str], object]] = {
        "precision": settled,
        "exactness": insists,
        "device": device,
        "decoder": parse,
    }
    for name, check in checks.items():
        if (said := getattr(settings, name)) is not None:
            try:
                check(said)
            except ValueError as error:
                raise ValueError(f"--{name}: {error}") from error


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises OSError with a sentence if the address can't be had."""
    with contextlib.ExitStack() as stack:
        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            listener = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise OSError(f"{host}:{port} can't be listened at: {why}") from error
        stack.pop_all()  # it stays open
        return listener


def _about(service: Service) -> Callable[[], dict[str, Any] | None]:
    """Tells the page what it asks, once the model is there; this is found out once."""
    found = list[dict[str, Any]]()

    def told() -> dict[str, Any] | None:
        settings, opened = service.settings, service.opened
        if opened is not None and not found:
            most, name = settings.most_tokens, settings.name
            found.append(about(opened.lm, most_tokens=most, name=name, decoder=settings.decoder))
        return found[0] if found else None

    return told


def _load(server: Server, load: Callable[[], Writer]) -> None:
    begun = time.monotonic()
    try:
        lm = load()
        server.service.open(lm)
    except BaseException as error:
        server.fail(error)
        return
    facts = {"model": lm.name, "precision": lm.precision}
    LOG.info("ready", extra={"facts": facts | {"seconds": round(time.monotonic() - begun, 2)}})
