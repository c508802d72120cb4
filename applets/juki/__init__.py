"""The 住民基本台帳 application of the My Number Card: a PIN; the rest is for public terminals."""
