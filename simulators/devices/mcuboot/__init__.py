"""A simulated reader whose firmware is an MCUboot image, updated over SMP.

``flash`` is its memory, in which every erase and write is a step that can lose power; ``bootloader`` and
``swap`` are MCUboot's rules; ``slots`` is what the running firmware does with images; ``board`` holds these
together, ``server`` answers SMP, ``device`` hangs it on a line.
"""
