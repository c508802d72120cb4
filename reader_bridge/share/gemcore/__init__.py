"""Shows any Link as the card in a GemCore serial reader: to pcscd with libccidtwin, or to any other host."""

from .device import GemCoreDevice, Line
from .models import GEMCORE_POS_PRO, GEMPC_PINPAD, GEMPC_TWIN, MODELS, Model
from .pad import PinCancelled, PinRequest, PinSource, PinTimeout, Prompt

__all__ = [
    "GEMCORE_POS_PRO",
    "GEMPC_PINPAD",
    "GEMPC_TWIN",
    "MODELS",
    "GemCoreDevice",
    "Line",
    "Model",
    "PinCancelled",
    "PinRequest",
    "PinSource",
    "PinTimeout",
    "Prompt",
]
