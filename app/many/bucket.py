"""Pictures in an S3 bucket, or in any store that speaks S3 (``AWS_ENDPOINT_URL``); needs boto3 (extra ``s3``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from app.many.errors import CannotBegin, RunFailed, Unreadable
from app.many.sources import S3, is_hidden, read_ahead

# One object's answer takes tens of milliseconds, a small picture's reading one or two: this many requests hide that.
READERS: Final = 16
# What S3 says of one object; anything else is about the bucket, the credentials or the way there.
OF_ONE_OBJECT: Final = frozenset({"NoSuchKey", "404", "InvalidObjectState"})


class Bucket:
    """The objects whose keys begin with a prefix, by key; credentials and region are found as boto3 finds them."""

    def __init__(self, url: str) -> None:
        self._bucket, _, self._prefix = url.removeprefix(S3).partition("/")
        config = Config(retries={"mode": "standard", "max_attempts": 5}, max_pool_connections=READERS)
        try:
            self._client: Any = boto3.client("s3", config=config)
        except (BotoCoreError, ValueError) as exc:
            raise CannotBegin(f"{url} cannot be reached: {exc}") from exc
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="s3")

    def names(self) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        try:
            for page in pages:
                keys = (found["Key"] for found in page.get("Contents", ()))
                yield from (f"{S3}{self._bucket}/{key}" for key in keys if not key.endswith("/") and not self._is_hidden(key))
        except (BotoCoreError, ClientError) as exc:
            raise CannotBegin(f"{S3}{self._bucket} cannot be listed: {exc}") from exc

    def read(self, names: Sequence[str], most_bytes: int) -> Iterator[bytes | Unreadable]:
        return read_ahead(lambda name: self._read(name, most_bytes), names, self._threads, READERS)

    def _is_hidden(self, key: str) -> bool:
        """What the person has typed is meant."""
        return is_hidden(key[self._prefix.rfind("/") + 1 :])

    def _read(self, name: str, most_bytes: int) -> bytes | Unreadable:
        key = name.removeprefix(f"{S3}{self._bucket}/")
        try:
            with self._client.get_object(Bucket=self._bucket, Key=key)["Body"] as body:
                data: bytes = body.read(most_bytes)
                return data
        except ClientError as exc:
            if exc.response["Error"]["Code"] in OF_ONE_OBJECT:
                return Unreadable(f"The object cannot be read: {exc}.")
            raise RunFailed(f"{S3}{self._bucket} cannot be read: {exc}") from exc
        except BotoCoreError as exc:
            raise RunFailed(f"{S3}{self._bucket} cannot be read: {exc}") from exc
