"""libnfc's own functions, in a process of its own: ``libnfc_session.py a|b APDU…``.

Chooses the card (InListPassiveTarget) and lets the chip speak the block protocol (InDataExchange), which
none of libnfc's tools does with APDUs of our choice. Prints the answers, one a line.
"""

import ctypes
import sys

MODULATIONS = {"a": 1, "b": 3}  # NMT_ISO14443A, NMT_ISO14443B
NBR_106 = 1
MILLISECONDS = 5000


class Modulation(ctypes.Structure):
    """nfc_modulation."""

    _fields_ = [("type", ctypes.c_int), ("rate", ctypes.c_int)]


library = ctypes.CDLL("libnfc.so.6")
library.nfc_open.restype = ctypes.c_void_p
library.nfc_open.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
library.nfc_close.argtypes = library.nfc_initiator_init.argtypes = [ctypes.c_void_p]
library.nfc_exit.argtypes = [ctypes.c_void_p]
library.nfc_initiator_select_passive_target.argtypes = [
    ctypes.c_void_p, Modulation, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p,
]  # fmt: skip
library.nfc_initiator_transceive_bytes.argtypes = [
    ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int,
]  # fmt: skip

kind, *apdus = sys.argv[1:]
context = ctypes.c_void_p()
library.nfc_init(ctypes.byref(context))
device = library.nfc_open(context, None)
assert device, "libnfc does not open the reader"
try:
    assert library.nfc_initiator_init(device) == 0
    wanted, target = Modulation(MODULATIONS[kind], NBR_106), ctypes.create_string_buffer(1024)
    assert library.nfc_initiator_select_passive_target(device, wanted, None, 0, target) == 1
    for apdu in apdus:
        command, room = bytes.fromhex(apdu), ctypes.create_string_buffer(264)
        got = library.nfc_initiator_transceive_bytes(
            device, command, len(command), room, len(room), MILLISECONDS
        )
        print(room.raw[:got].hex() if got >= 0 else got)
finally:
    library.nfc_close(device)
    library.nfc_exit(context)
