"""Measurements of the service from outside; nothing here is imported by it."""
