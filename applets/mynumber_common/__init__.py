"""The common application of the My Number Card: the number of the card itself, readable by anybody."""
