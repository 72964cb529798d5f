"""Exit 0 if the service in this container answers 200 on a path: ``python healthcheck.py /livez``. Slim has no curl."""

import http.client
import os
import sys

connection = http.client.HTTPConnection("127.0.0.1", int(os.environ["DIGITS_PORT"]), timeout=2)
try:
    connection.request("GET", sys.argv[1])
    status = connection.getresponse().status
except OSError as exc:
    sys.exit(f"{sys.argv[1]}: {exc}")
sys.exit(None if status == 200 else f"{sys.argv[1]}: {status}")
