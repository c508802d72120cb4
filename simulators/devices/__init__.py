"""Simulated firmware of readers and peripherals, on a pseudo-terminal or a TCP port.

A firmware is written against :class:`~tegata.simulators.devices.wire.Wire`, the device's end of a serial
line; ``line`` gives it a line that programs can open, ``faults`` spoils that line on command.
"""
