"""The WSSE header of the core API v2 (contract 1.2). Pure."""

import base64
import hashlib


def digest(nonce: str, created: str, secret: str) -> str:
    """base64 over the forty ASCII hex characters of SHA1(nonce + created + secret), not over its raw bytes."""
    hexadecimal = hashlib.sha1(f"{nonce}{created}{secret}".encode(), usedforsecurity=False).hexdigest()
    return base64.b64encode(hexadecimal.encode("ascii")).decode("ascii")


def header(username: str, secret: str, nonce: str, created: str) -> str:
    """The value of `X-WSSE` for one request. `created` is ISO 8601 with an explicit zone, hashed as it is sent."""
    password = digest(nonce, created, secret)
    return f'UsernameToken Username="{username}", PasswordDigest="{password}", Nonce="{nonce}", Created="{created}"'
