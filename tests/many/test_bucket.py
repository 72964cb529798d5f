from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from app.many.errors import CannotBegin, RunFailed, Unreadable
from app.many.sources import open_source


@pytest.fixture(scope="module")
def store() -> Iterator[Any]:
    """A client of an S3 that lives in this process; the environment names it, as it would name any other store."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as environment:
        host, port = server.get_host_and_port()
        environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "testing")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        environment.setenv("NO_PROXY", "127.0.0.1")
        client = boto3.client("s3")
        client.create_bucket(Bucket="pictures")
        for number in range(20):
            client.put_object(Bucket="pictures", Key=f"many/{number:04d}.png", Body=str(number).encode())
        for key in ("many/.hidden", "many/folder/", "more.png"):
            client.put_object(Bucket="pictures", Key=key, Body=b"x")
        yield client
    server.stop()


def test_names_of_a_prefix_are_all_its_keys_in_order(store: Any) -> None:
    names = list(open_source("s3://pictures/many/").names())
    assert names == [f"s3://pictures/many/{number:04d}.png" for number in range(20)]
    assert list(open_source("s3://pictures/more").names()) == ["s3://pictures/more.png"]


def test_read_keeps_the_order_and_tells_what_is_gone(store: Any) -> None:
    names = [f"s3://pictures/many/{number:04d}.png" for number in (7, 1, 9999, 12)]
    seven, one, gone, twelve = open_source("s3://pictures/many").read(names, 2)
    assert (seven, one, twelve) == (b"7", b"1", b"12")
    assert isinstance(gone, Unreadable)


def test_bucket_that_is_not_there_is_said(store: Any) -> None:
    source = open_source("s3://absent/many")
    with pytest.raises(CannotBegin, match="s3://absent cannot be listed"):
        list(source.names())
    with pytest.raises(RunFailed, match="s3://absent cannot be read"):
        list(source.read(["s3://absent/many/1.png"], 10))
