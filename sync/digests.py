"""What a record's content is known by. 16 bytes each: they live in UUID columns."""

import hashlib
import hmac
import uuid
from collections.abc import Callable

from django.conf import settings


def digester(salt: str) -> Callable[[bytes], bytes]:
    """A digest function salted with flow and mapping version: a changed mapping knows nothing any more."""
    start = hashlib.blake2b(digest_size=16, key=hashlib.blake2b(salt.encode(), digest_size=32).digest())

    def digest(content: bytes) -> bytes:
        state = start.copy()
        state.update(content)
        return state.digest()

    return digest


def email_hasher() -> Callable[[str], bytes]:
    """The keyed hash of addresses."""
    key = hashlib.blake2b(settings.SECRET_KEY.encode(), digest_size=32, person=b"email").digest()
    start = hashlib.blake2b(digest_size=16, key=key)

    def hashed(address: str) -> bytes:
        state = start.copy()
        state.update(address.strip().lower().encode())
        return state.digest()

    return hashed


def email_digest(address: str) -> uuid.UUID:
    """The keyed hash under which a cross-reference is found by its exact e-mail."""
    return uuid.UUID(bytes=email_hasher()(address))


def idempotency_key(*parts: str) -> str:
    return hmac.new(b"delivery", "\x1f".join(parts).encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
