"""Pure codecs of reader protocols: bytes in, frames out, no input or output of their own."""
