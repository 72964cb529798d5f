"""Apps that do nothing: what a framework costs before any work."""
