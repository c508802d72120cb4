"""Jobs at counters: identify a holder by the card face, check people in at a shelter or an event.

Floor 3b of the house. Works without a network.
"""
