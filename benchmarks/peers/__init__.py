"""The same work on other servers, side by side with ours: ``python -m benchmarks.peers``."""
