"""smpclient talks to the simulated reader: parameters, upload with resume, and power lost under its hands."""

from __future__ import annotations

import asyncio
import hashlib
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from smpclient import SMPClient
from smpclient.generics import error, success
from smpclient.requests.image_management import ImageStatesRead, ImageStatesWrite, ImageUploadWrite
from smpclient.requests.os_management import (
    BootloaderInformationRead,
    EchoWrite,
    MCUMgrParametersRead,
    OSApplicationInfoRead,
    ResetWrite,
)
from smpclient.transport.serial import SMPSerialTransport

from .smp_programs import Maker, plugged

pytestmark = pytest.mark.foreign


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    return Maker(tmp_path_factory.mktemp("imgtool"))


@pytest.fixture
def flash(maker: Maker, request: pytest.FixtureRequest) -> Path:
    return maker.reader(request.node.name, maker.image("1.0.0"))


@asynccontextmanager
async def connected(port: str) -> AsyncIterator[SMPClient]:
    async with SMPClient(SMPSerialTransport(), port, timeout_s=5.0) as client:
        yield client


async def images(client: SMPClient) -> list[str]:
    """Version and marks by slot."""
    states = await client.request(ImageStatesRead())
    assert success(states)
    names = ("active", "confirmed", "pending", "permanent")
    return [
        " ".join([each.version, *(name for name in names if getattr(each, name))]) for each in states.images
    ]


async def upload(client: SMPClient, image: bytes) -> list[int]:
    return [offset async for offset in client.upload(image)]


async def mark(client: SMPClient) -> None:
    states = await client.request(ImageStatesRead())
    assert success(states)
    assert success(await client.request(ImageStatesWrite(hash=states.images[1].hash)))


def test_what_a_client_asks_first(flash: Path) -> None:
    async def talk(port: str) -> None:
        async with connected(port) as client:
            echo = await client.request(EchoWrite(d="東門" * 50))
            assert success(echo)
            assert echo.r == "東門" * 50
            parameters = await client.request(MCUMgrParametersRead())
            assert success(parameters)
            assert (parameters.buf_size, parameters.buf_count) == (2048, 4)
            info = await client.request(OSApplicationInfoRead(format="ri"))
            assert success(info)
            assert info.output == "1.0.0 gate-reader-1"
            loader = await client.request(BootloaderInformationRead())
            assert success(loader)

    with plugged(flash) as (port, _):
        asyncio.run(talk(port))


def test_an_upload_goes_on_after_the_line_was_closed(maker: Maker, flash: Path) -> None:
    image = maker.image("1.1.0", counter=2).read_bytes()

    async def begin(port: str) -> int:
        async with connected(port) as client:
            first = image[:700]
            sha = hashlib.sha256(image).digest()
            answer = await client.request(
                ImageUploadWrite(off=0, data=first, len=len(image), sha=sha, image=0)
            )
            assert success(answer)
            assert answer.off == 700
            return answer.off

    async def go_on(port: str) -> None:
        async with connected(port) as client:
            offsets = await upload(client, image)
            assert offsets[0] == 700
            assert offsets[-1] == len(image)
            assert await images(client) == ["1.0.0 active confirmed", "1.1.0"]

    with plugged(flash) as (port, _):
        asyncio.run(begin(port))
        asyncio.run(go_on(port))


def test_the_simulator_is_killed_in_an_upload_and_in_a_trial(maker: Maker, flash: Path) -> None:
    image = maker.image("1.1.0", counter=2).read_bytes()

    async def half(port: str) -> None:
        async with connected(port) as client:
            answer = await client.request(ImageUploadWrite(off=0, data=image[:900], len=len(image), image=0))
            assert success(answer)

    async def whole(port: str) -> None:
        async with connected(port) as client:
            assert await images(client) == ["1.0.0 active confirmed"]
            await upload(client, image)
            await mark(client)

    async def look(port: str) -> list[str]:
        async with connected(port) as client:
            return await images(client)

    for talk in (half, whole):
        with plugged(flash) as (port, process):
            asyncio.run(talk(port))
            process.send_signal(signal.SIGKILL)
            process.wait(10)
    with plugged(flash) as (port, process):
        assert asyncio.run(look(port)) == ["1.1.0 active", "1.0.0 confirmed"]
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    with plugged(flash) as (port, _):
        assert asyncio.run(look(port)) == ["1.0.0 active confirmed", "1.1.0"]


def test_power_is_lost_in_the_swap(maker: Maker, flash: Path) -> None:
    image = maker.image("1.1.0", counter=2).read_bytes()

    async def trial(port: str) -> None:
        async with connected(port) as client:
            await upload(client, image)
            await mark(client)
            assert success(await client.request(ResetWrite()))
            assert await images(client) == ["1.1.0 active", "1.0.0 confirmed"]

    # An erase of the slot is 64 steps, the upload some ten, a swap of two sectors about 40.
    cuts = [word for step in (85, 95, 105) for word in ("--cut", f"{step}.inside")]
    with plugged(flash, *cuts) as (port, _):
        asyncio.run(trial(port))
    said = flash.with_suffix(".log").read_text()
    assert "Start 5: the reader runs firmware 1.1.0." in said  # the first, the reset, and one for each cut


def test_a_wrong_key_is_an_error_of_the_client(maker: Maker, flash: Path) -> None:
    image = maker.image("1.1.0", key="thief").read_bytes()

    async def talk(port: str) -> None:
        async with connected(port) as client:
            sha = hashlib.sha256(image).digest()
            offset: int | None = 0
            while True:
                assert offset is not None
                piece = image[offset : offset + 1000]
                first = {"len": len(image), "sha": sha, "image": 0} if offset == 0 else {}
                answer = await client.request(ImageUploadWrite(off=offset, data=piece, **first))
                if error(answer):
                    break
                assert success(answer)
                offset = answer.off
            assert offset == len(image) - len(piece)
            assert answer.rsn.startswith("wrong-key: ")

    with plugged(flash) as (port, _):
        asyncio.run(talk(port))
