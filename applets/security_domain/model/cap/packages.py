"""Names of the packages that CAP files import (Java Card API 2.1 to 3.2, GlobalPlatform, ETSI/3GPP)."""

from __future__ import annotations

__all__ = ["package_name"]

NAMES = {
    "A0000000620001": "java.lang",
    "A0000000620002": "java.io",
    "A0000000620003": "java.rmi",
    "A0000000620101": "javacard.framework",
    "A000000062010101": "javacard.framework.service",
    "A0000000620102": "javacard.security",
    "A0000000620201": "javacardx.crypto",
    "A0000000620202": "javacardx.biometry",
    "A0000000620203": "javacardx.external",
    "A0000000620204": "javacardx.biometry1toN",
    "A0000000620205": "javacardx.security",
    "A000000062020501": "javacardx.security.cert",
    "A000000062020502": "javacardx.security.derivation",
    "A000000062020503": "javacardx.security.util",
    "A000000062020801": "javacardx.framework.util",
    "A00000006202080101": "javacardx.framework.util.intx",
    "A000000062020802": "javacardx.framework.math",
    "A000000062020803": "javacardx.framework.tlv",
    "A000000062020804": "javacardx.framework.string",
    "A000000062020805": "javacardx.framework.event",
    "A000000062020806": "javacardx.framework.nio",
    "A000000062020807": "javacardx.framework.time",
    "A0000000620209": "javacardx.apdu",
    "A000000062020901": "javacardx.apdu.util",
    "A00000015100": "org.globalplatform",
    "A00000015102": "org.globalplatform.contactless",
    "A00000015103": "org.globalplatform.securechannel",
    "A00000015104": "org.globalplatform.securechannel.provider",
    "A00000015105": "org.globalplatform.privacy",
    "A00000015106": "org.globalplatform.filesystem",
    "A00000015107": "org.globalplatform.upgrade",
    "A0000000030000": "visa.openplatform",
    "A0000000090003FFFFFFFF8910710001": "sim.access",
    "A0000000090003FFFFFFFF8910710002": "sim.toolkit",
    "A0000000090005FFFFFFFF8911000000": "uicc.access",
    "A0000000090005FFFFFFFF8912000000": "uicc.toolkit",
}


def package_name(aid: bytes) -> str:
    """The name of a well-known package, or ""."""
    return NAMES.get(aid.hex().upper(), "")
