"""The service in a process of its own under floods, faults and bad manners: ``python -m tests.reliability``."""
