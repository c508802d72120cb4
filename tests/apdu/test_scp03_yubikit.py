"""The card's side of SCP03 against yubikit, a host that we did not write."""

from __future__ import annotations

import secrets

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yubikit.core import TRANSPORT
from yubikit.core.smartcard import ApduError, SmartCardConnection, SmartCardProtocol
from yubikit.core.smartcard.scp import KeyRef, Scp03KeyParams, StaticKeys

from tegata.apdu import Command, Response, Secret
from tegata.apdu.scp03 import (
    InitializeUpdate,
    Opening,
    Scp03State,
    SecureMessagingError,
    accept_external_authenticate,
    derive_session_keys,
    unwrap_command,
    wrap_response,
)

ENC, MAC = bytes(range(16)), bytes(range(16, 32))


class EchoCard(SmartCardConnection):
    """Opens SCP03 with the pure functions and echoes the data of every command reversed."""

    def __init__(self, transport: TRANSPORT) -> None:
        self._transport = transport
        self.opening: Opening | None = None
        self.state: Scp03State | None = None
        self.seen: list[Command] = []
        self._chained = b""

    @property
    def transport(self) -> TRANSPORT:
        return self._transport

    def send_and_receive(self, apdu: bytes) -> tuple[bytes, int]:
        response = self._answer(Command.parse(bytes(apdu)))
        return response.data, response.sw

    def close(self) -> None:
        """Nothing to close."""

    def _answer(self, command: Command) -> Response:
        if command.cla & 0x10:
            self._chained += command.data
            return Response()
        if self._chained:
            data, self._chained = self._chained + command.data, b""
            command = command.with_(data=data, extended=True)
        if command.ins == 0x50:
            challenge = secrets.token_bytes(8)
            keys = derive_session_keys(Secret(ENC), Secret(MAC), command.data, challenge)
            self.opening = Opening(keys, command.data, challenge, 0x60)
            cryptogram = self.opening.card_cryptogram
            return Response(bytes(InitializeUpdate(bytes(10), 1, 0x60, challenge, cryptogram)))
        try:
            if command.ins == 0x82:
                assert self.opening is not None
                self.state = accept_external_authenticate(self.opening, command)
                return Response()
            assert self.state is not None
            self.state, plain = unwrap_command(self.state, command)
        except SecureMessagingError as error:
            return Response(sw=error.sw)
        self.seen.append(plain)
        if plain.ins == 0xFF:
            return wrap_response(self.state, Response(sw=0x6A80))
        return wrap_response(self.state, Response(plain.data[::-1]))


def opened(transport: TRANSPORT, mac: bytes = MAC) -> tuple[SmartCardProtocol, EchoCard]:
    card = EchoCard(transport)
    protocol = SmartCardProtocol(card)
    protocol.init_scp(Scp03KeyParams(KeyRef(1, 1), StaticKeys(ENC, mac, None)))
    return protocol, card


@pytest.mark.parametrize("transport", [TRANSPORT.USB, TRANSPORT.NFC])
@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=400), max_size=4))
def test_yubikit_talks_through_our_channel(transport: TRANSPORT, texts: list[bytes]) -> None:
    protocol, card = opened(transport)
    for text in texts:
        assert protocol.send_apdu(0x80, 0xE2, 0x90, 0x00, text) == text[::-1]
    assert [(plain.header.hex(), plain.data) for plain in card.seen] == [("80e29000", text) for text in texts]


@pytest.mark.parametrize("transport", [TRANSPORT.USB, TRANSPORT.NFC])
def test_yubikit_goes_on_after_an_error_status_word(transport: TRANSPORT) -> None:
    protocol, _ = opened(transport)
    for text in (b"before", b"after"):
        assert protocol.send_apdu(0x00, 0xCA, 0x00, 0x66, text) == text[::-1]
        with pytest.raises(ApduError) as caught:
            protocol.send_apdu(0x80, 0xFF, 0x00, 0x00)
        assert caught.value.sw == 0x6A80


def test_yubikit_refuses_a_card_with_other_keys() -> None:
    with pytest.raises(ValueError, match="Incorrect SCP parameters"):
        opened(TRANSPORT.USB, mac=bytes(16))
