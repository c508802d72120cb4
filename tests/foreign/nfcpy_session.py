"""nfcpy as its users call it, in a process of its own: ``nfcpy_session.py BRTY APDU…``, in the line's folder.

Prints JSON: what it sensed, the kind of tag, whether it is there, and the answers to the APDUs. Then it says
``remove``, reads a line, and prints whether the tag is there still.
"""

import json
import sys

import nfc.clf
import nfc.tag

brty, *apdus = sys.argv[1:]
reader = nfc.clf.ContactlessFrontend("com:COM1:pn532")
try:
    target = reader.sense(nfc.clf.RemoteTarget(brty))
    tag = nfc.tag.activate(reader, target)
    found = {
        "target": str(target),
        "tag": type(tag).__name__,
        "identifier": tag.identifier.hex(),
        "present": tag.is_present,
        "answers": [tag.transceive(bytes.fromhex(apdu)).hex() for apdu in apdus],
    }
    print(json.dumps(found), flush=True)
    sys.stdin.readline()
    print(json.dumps({"present": tag.is_present}), flush=True)
finally:
    reader.close()
