# The training module, apart from the service: torch (as locked, with CUDA on x86-64: 6.6 GB) and the tests' tools.
#
#   docker compose run --rm train train --recipe cnn --seed 0
#
# Nothing is copied but the code: data, runs and models come from outside and go there.
ARG PYTHON_VERSION=3.11
ARG BASE_DIGEST=

FROM python:${PYTHON_VERSION}-slim-bookworm${BASE_DIGEST:+@${BASE_DIGEST}}

RUN --mount=type=cache,target=/var/cache/pip \
    --mount=type=bind,source=requirements/training.txt,target=/tmp/requirements.txt \
    python -m venv --without-pip /opt/venv && \
    pip --cache-dir /var/cache/pip --disable-pip-version-check --python /opt/venv/bin/python install \
        --only-binary :all: --require-hashes --no-compile --requirement /tmp/requirements.txt

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    # The code lies apart from the working folder, into which runs/ and models/ are mounted.
    PYTHONPATH=/srv/digits \
    HOME=/tmp \
    ORT_DISABLE_TELEMETRY=1 \
    DIGITS_DATA_DIR=/work/data

COPY app /srv/digits/app
COPY training /srv/digits/training
RUN chmod -R u=rwX,go=rX /srv/digits && mkdir -p /work/data /work/runs /work/models && chown -R 10001:10001 /work

USER 10001:10001
WORKDIR /work
ENTRYPOINT ["python", "-m", "training"]
CMD ["--help"]

ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="Digits, training" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$REVISION \
      org.opencontainers.image.created=$CREATED
