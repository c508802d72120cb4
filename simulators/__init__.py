"""The side wing: simulated cards, readers and the laboratory.

Reached only through tests, ``commands.py`` and ``sim:`` URLs; nothing in the house imports it.
"""
