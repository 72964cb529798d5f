"""Figures by name: each takes a ``Study`` and gives a matplotlib ``Figure``; see ``catalogue``."""
