"""The companion of readers and peripherals: what runs in them, whether an image suits, update and way back.

It knows devices through :mod:`tegata.apdu.devices` alone, so that every driver that is ``Updatable`` is
updated in the same way, whatever line it hangs on. ``image`` checks a file, ``compatibility`` whether it
suits, ``update`` carries out a job that ``journal`` remembers, ``rollout`` does so for many.
"""
