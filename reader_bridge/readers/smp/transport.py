"""smpclient's transport on a line of ours: any name that pyserial opens, locked, with our own frames.

smpclient's own serial transport opens device paths only and holds a line that no other program of tegata
knows to be in use.
"""

from __future__ import annotations

import asyncio
from collections import deque

from smpclient.transport import SMPTransport

from ...frames.smp import Decoder, Message, encode
from ..serial_port import SerialPort

__all__ = ["LineTransport"]

_SLICE = 0.02
_OVERHEAD = 4
"""Length and CRC share the device's buffer with the message."""
_ONE_LINE = 84
"""Bytes of a message that fit one line: what every device takes."""
_MOST = 0x2000


class LineTransport(SMPTransport):
    """One request, one answer. Lets the loop run every 20 ms, so that a timeout can strike."""

    def __init__(self, port: SerialPort) -> None:
        self._port = port
        self._decoder = Decoder()
        self._arrived: deque[Message] = deque()

    async def connect(self, address: str, timeout_s: float) -> None:
        """The line is open already."""

    async def disconnect(self) -> None:
        self._port.close()

    async def send(self, data: bytes) -> None:
        self._port.drain()
        self._decoder = Decoder()
        self._arrived.clear()
        self._port.write(encode(data))

    async def receive(self) -> bytes:
        return (await self._next()).encode()

    async def send_and_receive(self, data: bytes) -> bytes:
        """The answer to this request; a late answer to an earlier one is dropped."""
        await self.send(data)
        asked = Message.decode(data)
        while True:
            answer = await self._next()
            if _question(answer) == _question(asked):
                return answer.encode()

    @property
    def mtu(self) -> int:
        return self.max_unencoded_size

    @property
    def max_unencoded_size(self) -> int:
        told = self._smp_server_transport_buffer_size
        return min(max(told - _OVERHEAD, _ONE_LINE), _MOST) if told else _ONE_LINE

    async def _next(self) -> Message:
        """The next message; what came with it in one piece waits for its turn."""
        while True:
            await asyncio.sleep(0)
            if self._arrived:
                return self._arrived.popleft()
            self._arrived.extend(self._decoder.feed(self._port.read(_SLICE)))


def _question(message: Message) -> tuple[int, int, int]:
    return message.group, message.command, message.sequence
