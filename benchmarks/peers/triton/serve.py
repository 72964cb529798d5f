"""Triton's own binary and HTTP front, from the wheel of nvidia-pytriton; the model is ``models/digits/1/model.py``.

python benchmarks/peers/triton/serve.py PORT
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytriton

SERVER = Path(pytriton.__file__).parent / "tritonserver"
# The default is more threads than that, which switch and wait.
CORES = 2
STUB = "triton_python_backend_stub"


def main(port: str) -> None:
    """Become tritonserver."""
    # The wheel holds a stub for each Python; the backend looks for one beside itself.
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    shutil.copy(SERVER / "python_backend_stubs" / version / STUB, SERVER / "backends" / "python" / STUB)
    libraries = str(SERVER.parents[1] / "nvidia_pytriton.libs")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = [
        str(SERVER / "bin" / "tritonserver"),
        f"--model-repository={Path(__file__).parent / 'models'}",
        f"--backend-directory={SERVER / 'backends'}",
        "--http-address=127.0.0.1",
        f"--http-port={port}",
        "--allow-grpc=false",
        "--allow-metrics=false",
        "--log-info=false",
        f"--http-thread-count={CORES}",
    ]
    os.execve(command[0], command, os.environ | {"LD_LIBRARY_PATH": libraries, "PATH": path})  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1])
