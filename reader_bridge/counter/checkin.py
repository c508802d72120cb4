"""A check-in desk for a shelter or an event: card after card, without a network.

What is read (name, address, birth date, sex) is encrypted at once to the organisation's public key, as CMS
EnvelopedData (RFC 5652 §6), and only so it is kept: whoever finds the laptop finds no list of people. A
second visit is noticed by a keyed hash of the four attributes, whose key is made for this one event, lies in
the event's folder and dies with it.

``openssl cms -decrypt`` with the organisation's private key reads the records again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import zipfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from unicodedata import normalize

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7EnvelopeBuilder, PKCS7Options
from sqlalchemy import Column, Integer, LargeBinary, String, Table, delete, func, insert, select, text
from sqlalchemy.exc import IntegrityError

from ...apdu.errors import InputError, Words
from ...applets.mynumber_text.model import Attributes
from ..store import UtcDateTime, metadata, now, open_engine, upgrade
from ..store.engine import reading

__all__ = ["Arrival", "CheckinDesk"]

RECIPIENT, TAG_KEY, DATABASE, LABEL = "recipient.pem", "tag.key", "checkin.db", "label"
TAG_BYTES = 32
LEAST_RSA_BITS = 2048

METADATA = metadata()
RECORD = Table(
    "checkin_record",
    METADATA,
    Column("seq", Integer, primary_key=True),
    Column("time", UtcDateTime, nullable=False),
    Column("tag", String(64), nullable=False, unique=True),
    Column("envelope", LargeBinary, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One card at the desk. ``number`` counts arrivals; ``again`` is when the same person came first."""

    number: int
    again: datetime | None = None


class CheckinDesk:
    """One event in a folder of its own: recipient's certificate, tag key, encrypted records."""

    def __init__(self, folder: Path) -> None:
        """Raises InputError ``checkin.missing`` for a folder that is no event, or was purged."""
        try:
            self._recipient = _certificate((folder / RECIPIENT).read_bytes())
            self._tag_key = (folder / TAG_KEY).read_bytes()
            self.label = (folder / LABEL).read_text(encoding="utf-8").strip()
        except OSError:
            raise InputError("checkin.missing", folder=folder) from None
        self.folder = folder
        self._engine = open_engine(folder / DATABASE)
        upgrade(self._engine, f"{__package__}.migrations")

    @classmethod
    def create(cls, folder: Path, label: str, recipient: bytes) -> CheckinDesk:
        """A new event. ``recipient`` is the organisation's certificate (PEM or DER; RSA, 2048 bits or more).

        Raises InputError ``checkin.exists`` and ``checkin.recipient``.
        """
        certificate = _certificate(recipient)
        try:
            folder.mkdir(mode=0o700, parents=True)
        except FileExistsError:
            raise InputError("checkin.exists", folder=folder) from None
        _private(folder / RECIPIENT, certificate.public_bytes(Encoding.PEM))
        _private(folder / TAG_KEY, secrets.token_bytes(TAG_BYTES))
        _private(folder / LABEL, label.encode() + b"\n")
        return cls(folder)

    @property
    def count(self) -> int:
        """How many people are checked in."""
        with reading(self._engine) as connection:
            return connection.scalar(select(func.count()).select_from(RECORD)) or 0

    def register(self, person: Attributes) -> Arrival:
        """Check a person in. A second visit stores nothing and says when the first one was."""
        tag = self._tag(person)
        moment = now()
        envelope = self._sealed(person, moment)
        try:
            with self._engine.begin() as connection:
                number = 1 + (connection.scalar(select(func.max(RECORD.c.seq))) or 0)
                connection.execute(insert(RECORD).values(seq=number, time=moment, tag=tag, envelope=envelope))
        except IntegrityError:
            with reading(self._engine) as connection:
                first = connection.execute(select(RECORD).where(RECORD.c.tag == tag)).one()
            return Arrival(first.seq, first.time)
        return Arrival(number)

    def undo(self) -> int | None:
        """Take the last arrival back; returns its number, None when there is none."""
        with self._engine.begin() as connection:
            last: int | None = connection.scalar(select(func.max(RECORD.c.seq)))
            if last is not None:
                connection.execute(text("PRAGMA secure_delete=ON"))
                connection.execute(delete(RECORD).where(RECORD.c.seq == last))
        return last

    def export(self, target: Path) -> int:
        """Write all records, still encrypted, into a new ZIP (``0001.p7m`` …); returns how many.

        Raises InputError ``checkin.export`` when the file is there already.
        """
        try:
            file = os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        except OSError:
            raise InputError("checkin.export", file=target) from None
        with file, zipfile.ZipFile(file, "w") as archive, reading(self._engine) as connection:
            rows = connection.execute(select(RECORD).order_by(RECORD.c.seq)).all()
            for row in rows:
                archive.writestr(f"{row.seq:04}.p7m", row.envelope)
        return len(rows)

    def purge(self) -> int:
        """Destroy the event, the tag key first; records are overwritten. Returns how many there were."""
        count = self.count
        key = self.folder / TAG_KEY
        key.write_bytes(bytes(TAG_BYTES))
        key.unlink()
        with self._engine.begin() as connection:
            connection.execute(text("PRAGMA secure_delete=ON"))
            connection.execute(delete(RECORD))
        self._engine.dispose()
        for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm"):
            (self.folder / name).unlink(missing_ok=True)
        return count

    def close(self) -> None:
        self._engine.dispose()

    def _tag(self, person: Attributes) -> str:
        """The same person gives the same tag at this event, and nothing at any other."""
        parts = [normalize("NFKC", person.name), normalize("NFKC", person.address)]
        parts += [person.birth.isoformat(), person.sex]
        message = json.dumps(parts, ensure_ascii=False).encode()
        return hmac.new(self._tag_key, message, hashlib.sha256).hexdigest()

    def _sealed(self, person: Attributes, moment: datetime) -> bytes:
        record = {
            "time": moment.isoformat(timespec="seconds"),
            "event": self.label,
            "name": person.name,
            "address": person.address,
            "birth": person.birth.isoformat(),
            "sex": person.sex,
        }
        return (
            PKCS7EnvelopeBuilder()
            .set_data(json.dumps(record, ensure_ascii=False).encode())
            .add_recipient(self._recipient)
            .set_content_encryption_algorithm(AES256)
            .encrypt(Encoding.DER, [PKCS7Options.Binary])
        )


def _certificate(raw: bytes) -> x509.Certificate:
    load = x509.load_pem_x509_certificate if b"-----BEGIN" in raw else x509.load_der_x509_certificate
    try:
        certificate = load(raw)
        key = certificate.public_key()
    except ValueError:
        what = Words("it is not a certificate", "証明書ではありません")
        raise InputError("checkin.recipient", what=what) from None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < LEAST_RSA_BITS:
        what = Words(
            f"its key is not RSA of {LEAST_RSA_BITS} bits or more",
            f"鍵が {LEAST_RSA_BITS} ビット以上の RSA ではありません",
        )
        raise InputError("checkin.recipient", what=what)
    return certificate


def _private(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
