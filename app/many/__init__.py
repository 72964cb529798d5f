"""Millions of pictures without a server: ``digits classify-many``."""
