"""Simulated firmware of readers and peripherals, on a pseudo-terminal or a TCP port.

A firmware is written against :class:`~tegata.reader_bridge.share.wire.Wire`, the device's end of a serial
line; :mod:`~tegata.reader_bridge.share.line` gives it a line that programs can open, ``faults`` spoils that
line on command.
"""
