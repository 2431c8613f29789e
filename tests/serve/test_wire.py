"""Connections whose clients read nothing: they are cut, and no others."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from uvicorn.protocols.http.flow_control import FlowControl

from anyorder.serve.wire import Wire

SECONDS = 0.05


@dataclass
class Transport:
    """What the protocol asks of a transport whose buffer is full."""

    left: int = 1000
    reads: int = 0  # bytes that the client takes between two looks
    aborted: bool = False

    def get_write_buffer_size(self) -> int:
        self.left -= self.reads
        return self.left

    def abort(self) -> None:
        self.aborted = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


def wire(transport: Transport) -> Any:
    """A connection, without the server around it; to be called in a running loop."""
    made: Any = object.__new__(Wire.patient(SECONDS))
    made.loop, made.transport = asyncio.get_running_loop(), transport
    made.flow = FlowControl(made.transport)
    return made


@pytest.mark.parametrize(("reads", "aborted"), [(0, True), (10, False)])
def test_a_client_that_reads_nothing_is_cut_and_a_slow_one_is_not(
    reads: int, aborted: bool
) -> None:
    async def scene() -> bool:
        transport = Transport(reads=reads)
        one = wire(transport)
        one.pause_writing()
        await asyncio.sleep(6 * SECONDS)
        one.resume_writing()
        return transport.aborted

    assert asyncio.run(scene()) is aborted


def test_who_reads_on_is_not_waited_for() -> None:
    async def scene() -> bool:
        transport = Transport()
        one = wire(transport)
        one.pause_writing()
        one.resume_writing()
        await asyncio.sleep(3 * SECONDS)
        return transport.aborted

    assert asyncio.run(scene()) is False
