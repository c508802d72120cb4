"""Shows any Link to programs outside: on libpcsclite's own socket, or as a card in a real pcscd (vpcd)."""
