"""Card applications, one package each: ``model.py`` (identifiers, codecs) and ``host.py`` (talks to one)."""
