"""The GemCore readers that are shown, and in what they differ."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GEMCORE_POS_PRO", "GEMPC_PINPAD", "GEMPC_TWIN", "MODELS", "Model"]


@dataclass(frozen=True, slots=True)
class Model:
    """One kind of reader.

    ``driver_name`` is what stands after the colon of DEVICENAME in pcscd's reader.conf. ``echoes``: it sends
    every command back before its answer. ``firmware`` answers Escape 02.
    """

    name: str
    driver_name: str
    firmware: bytes
    slots: int = 1
    echoes: bool = False
    pin_pad: bool = False


GEMPC_TWIN = Model("gempc-twin", "GemPCTwin", b"GemTwin-tegata-1.0", echoes=True)
GEMPC_PINPAD = Model("gempc-pinpad", "GemPCPinPad", b"GemPinPad-tegata-1.0", echoes=True, pin_pad=True)
GEMCORE_POS_PRO = Model("gemcore-pos-pro", "GemCorePOSPro", b"GemPOSPro-tegata-1.0", slots=5)

MODELS = {model.name: model for model in (GEMPC_TWIN, GEMPC_PINPAD, GEMCORE_POS_PRO)}
