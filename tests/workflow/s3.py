"""A real S3 server on the loopback interface, in its own process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3

BUCKET = "weights"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}


def environment() -> dict[str, str]:
    """Environment variables for a client of this server: no other account, no proxy, no cloud metadata."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    return {**kept, **CREDENTIALS, "AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "127.0.0.1"}


@contextmanager
def server(log: Path) -> Iterator[str]:
    """Address of a server with an empty bucket; it is stopped at the end.

    Raises:
        RuntimeError: the server did not start; the text is what it printed.
    """
    command = [sys.executable, "-u", "-m", "moto.server", "--host", "127.0.0.1", "--port", "0"]
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            address = _address(process)
            client = boto3.client(
                "s3",
                endpoint_url=address,
                aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
                region_name=CREDENTIALS["AWS_DEFAULT_REGION"],
            )
            client.create_bucket(Bucket=BUCKET)
            yield address
        finally:
            process.terminate()
            output.write(process.communicate(timeout=30)[0])


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    printed = []
    for line in process.stdout:  # ends when the process does
        printed.append(line)
        if found := re.search(r"Running on (http://127\.0\.0\.1:\d+)", line):
            return found[1]
    raise RuntimeError("the S3 server did not start:\n" + "".join(printed))
