# The service: app/ and the shipped models on locked requirements. No torch, no compiler, no shell needed to run it.
#
#   docker build --tag digits . && docker run --rm --publish 8000:8000 digits
#
# PYTHON_VERSION may carry a patch release or stand for any Python that the requirements are locked for; BASE_DIGEST (sha256:…)
# pins the base to the byte. REQUIREMENTS=gpu takes onnxruntime-gpu with its CUDA wheels in place of onnxruntime (x86-64).
ARG PYTHON_VERSION=3.11
ARG BASE_DIGEST=

FROM python:${PYTHON_VERSION}-slim-bookworm${BASE_DIGEST:+@${BASE_DIGEST}} AS build

ARG REQUIREMENTS=service

# pip of the base installs into the environment from outside, so that the environment has no pip of its own.
RUN --mount=type=cache,target=/var/cache/pip \
    --mount=type=bind,source=requirements/${REQUIREMENTS}.txt,target=/tmp/requirements.txt \
    python -m venv --without-pip /opt/venv && \
    pip --cache-dir /var/cache/pip --disable-pip-version-check --python /opt/venv/bin/python install \
        --only-binary :all: --require-hashes --no-compile --requirement /tmp/requirements.txt

# The wheels' own tests stay behind, and ONNX Runtime's tools for making models. Bytecode is made here, as the root file system
# is read-only at run time; it is trusted unchecked, since nothing can change the sources, and so holds no file times.
RUN cd /opt/venv/lib/python3*/site-packages && \
    find . -depth -type d -name tests -exec rm -r {} + && \
    rm -rf onnxruntime/quantization onnxruntime/tools onnxruntime/transformers && \
    python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib

COPY app /srv/digits/app
COPY models /srv/digits/models
COPY LICENSE docker/healthcheck.py /srv/digits/

# Modes: whoever cloned with a strict umask gets the same image.
RUN python -m compileall -q --invalidation-mode unchecked-hash /srv/digits && \
    chmod -R u=rwX,go=rX /srv/digits

FROM python:${PYTHON_VERSION}-slim-bookworm${BASE_DIGEST:+@${BASE_DIGEST}}

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    # The user has no entry in /etc/passwd and no home; a library that insists on one gets the tmpfs.
    HOME=/tmp \
    # Since 1.29 the wheel reports home unless told not to.
    ORT_DISABLE_TELEMETRY=1 \
    DIGITS_HOST=0.0.0.0 \
    DIGITS_PORT=8000

WORKDIR /srv/digits
# From what changes least to what changes most; each is a layer that does not depend on the one before.
COPY --link --from=build /opt/venv /opt/venv
COPY --link --from=build /srv/digits/models models
COPY --link --from=build /srv/digits/app app
COPY --link --from=build /srv/digits/LICENSE /srv/digits/healthcheck.py ./

# The base has no bytecode of the standard library: keep that of the modules which the service imports. Also the first sign
# of a requirement that is missing. A file that the interpreter's end cut short would be there in one build and not in the next.
RUN env --unset=PYTHONDONTWRITEBYTECODE python -c "import app.cli, app.main, http.client, uvicorn.protocols.http.httptools_impl" && \
    find /usr/local/lib -name '*.pyc.*' -delete

USER 10001:10001
EXPOSE 8000
# Liveness: whoever acts on it restarts the container. -I and -S skip what the question does not need.
HEALTHCHECK --interval=15s --timeout=3s --start-period=30s --start-interval=500ms --retries=3 \
    CMD ["python", "-I", "-S", "healthcheck.py", "/livez"]
# Exec form: no shell stands between SIGTERM and Python.
CMD ["python", "-m", "app.cli", "serve"]

# Last, so that a new commit alone reuses every layer.
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
ARG MODELS=unknown
LABEL org.opencontainers.image.title="Digits" \
      org.opencontainers.image.description="Reads handwritten digits from pictures over HTTP" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$REVISION \
      org.opencontainers.image.created=$CREATED \
      digits.models=$MODELS
