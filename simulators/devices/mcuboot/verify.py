"""Whether this reader takes an image: form, size, signature, hardware, security counter, version."""

from __future__ import annotations

import enum

from ....reader_bridge.frames.mcuboot import Image, ImageFault, ImageFlag, Version, parse_image
from ....reader_bridge.frames.mcuboot_signature import SignatureCheck, check_signature
from .fuses import Fuses

__all__ = ["Refused", "Why", "examine"]

_UNFIT = ImageFlag.ENCRYPTED_AES128 | ImageFlag.ENCRYPTED_AES256 | ImageFlag.NON_BOOTABLE
_UNFIT |= ImageFlag.RAM_LOAD | ImageFlag.COMPRESSED


class Why(enum.Enum):
    """Why an image is refused; the word begins the reason that an SMP client is told."""

    FORM = "form"
    TOO_LARGE = "too-large"
    KIND = "kind"
    DIGEST = "digest"
    NOT_SIGNED = "not-signed"
    WRONG_KEY = "wrong-key"
    SIGNATURE = "signature"
    HARDWARE = "hardware-id"
    COUNTER = "security-counter"
    VERSION = "version"


class Refused(Exception):
    """The image is not taken."""

    def __init__(self, why: Why, sentence: str) -> None:
        super().__init__(f"{why.value}: {sentence}")
        self.why = why


_SIGNATURE = {
    SignatureCheck.NO_DIGEST: (Why.DIGEST, "the image has no SHA-256"),
    SignatureCheck.WRONG_DIGEST: (Why.DIGEST, "the image is damaged"),
    SignatureCheck.NOT_SIGNED: (Why.NOT_SIGNED, "the image is not signed"),
    SignatureCheck.WRONG_KEY: (
        Why.WRONG_KEY,
        "the image is signed with a key that this reader does not know",
    ),
    SignatureCheck.WRONG_SIGNATURE: (Why.SIGNATURE, "the signature does not verify"),
}


def examine(
    slot: bytes, fuses: Fuses, *, largest: int, counter: int = 0, oldest: Version | None = None
) -> Image:
    """The image at the beginning of ``slot``. Raises :class:`Refused`.

    ``counter`` is the least security counter, ``oldest`` the least version where that is asked for.
    """
    try:
        image = parse_image(slot)
    except ImageFault as fault:
        raise Refused(Why.FORM, fault.en) from None
    if image.size > largest:
        raise Refused(Why.TOO_LARGE, f"the image has {image.size} bytes, a slot takes {largest}")
    if image.flags & _UNFIT:
        raise Refused(Why.KIND, f"the image is encrypted, compressed or not bootable ({image.flags:#x})")
    check = check_signature(image, fuses.public_keys())
    if check in _SIGNATURE:
        raise Refused(*_SIGNATURE[check])
    if image.hardware_id != fuses.hardware_id:
        named = image.hardware_id or "no hardware"
        raise Refused(Why.HARDWARE, f"the image is for {named}, this reader is {fuses.hardware_id}")
    if (image.security_counter or 0) < counter:
        said = image.security_counter or 0
        raise Refused(
            Why.COUNTER, f"the image has the security counter {said}, this reader has seen {counter}"
        )
    if oldest is not None and image.version < oldest:
        raise Refused(Why.VERSION, f"the image is version {image.version}, this reader runs {oldest}")
    return image
