"""Secrets for tests, and the search for them."""

import base64
import json
import urllib.parse
from pathlib import Path

import polars as pl

SECRETS = {
    "S3_SECRET_KEY": "wJalr/XUtnFEMI+K7MDENG bPx\"Rfi'CYE",
    "AWS_SECRET_ACCESS_KEY": "another-Secret%20value\\x",
    "AWS_SESSION_TOKEN": "FwoGZXIvYXdzEBYaD//token==",
    "NTFY_TOKEN": "tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2",
    "AWS_SECURITY_TOKEN": "an-older-name/of+a=token",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Basic-c2VjcmV0LXRva2Vu",
    "LAKEBATCH_WEBHOOK": "http://127.0.0.1:9/services/T0?key=Zq81kfe72nvbxpq0Lw3s6",
}


def forms(secret):
    """Return the encodings of a secret; of base64 only the middle."""
    coded = [base64.b64encode(b"x" * n + secret.encode()).decode()[4:-4] for n in range(3)]
    written = {secret, urllib.parse.quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    return {*written, secret.encode().hex(), *coded}


def leaks(text):
    return [form for secret in SECRETS.values() for form in forms(secret) if form in text]


def content(folder):
    """Return every byte below a folder as text, with the rows of Parquet files, which are compressed."""
    texts = []
    for file in Path(folder).rglob("*"):
        if file.is_file():
            texts.append(file.read_bytes().decode(errors="replace"))
        if file.suffix == ".parquet":
            texts.append(pl.read_parquet(file).write_json())
    return "\n".join(texts)
