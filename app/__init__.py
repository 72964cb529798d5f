"""The Digits service. ``app.digits`` is the core without HTTP; ``app.main.create_app`` puts the rooms together."""

__version__ = "0.1.0"
