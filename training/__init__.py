"""The offline training module: raw MNIST in, a shippable ``models/<name>/`` folder out. Uses torch, never fastapi."""
