"""Digests: the same content is known again, anything else is not."""

from hypothesis import given
from hypothesis import strategies as st

from sync.digests import digester, email_digest, idempotency_key


@given(st.binary(), st.text(max_size=20))
def test_equal_content_has_an_equal_digest_of_sixteen_bytes(content: bytes, salt: str) -> None:
    assert digester(salt)(content) == digester(salt)(content)
    assert len(digester(salt)(content)) == 16


@given(st.binary(), st.binary(), st.text(max_size=20))
def test_different_content_has_different_digests(one: bytes, other: bytes, salt: str) -> None:
    digest = digester(salt)
    assert (digest(one) == digest(other)) == (one == other)


@given(st.binary(), st.text(max_size=20), st.text(max_size=20))
def test_another_mapping_knows_nothing_of_the_old_one(content: bytes, one: str, other: str) -> None:
    assert (digester(one)(content) == digester(other)(content)) == (one == other)


@given(st.lists(st.binary(), max_size=5))
def test_a_digest_does_not_remember_what_was_digested_before(contents: list[bytes]) -> None:
    digest = digester("salt")
    for content in contents:
        assert digest(content) == digester("salt")(content)


def test_an_address_is_found_whatever_its_case_and_is_not_readable() -> None:
    assert email_digest(" Ana@Example.com ") == email_digest("ana@example.com")
    assert email_digest("ana@example.com") != email_digest("bo@example.com")


@given(st.lists(st.text(st.characters(exclude_characters="\x1f"), max_size=5), max_size=4),
       st.lists(st.text(st.characters(exclude_characters="\x1f"), max_size=5), max_size=4))  # fmt: skip
def test_idempotency_keys_do_not_run_their_parts_together(one: list[str], other: list[str]) -> None:
    one, other = one or [""], other or [""]
    assert (idempotency_key(*one) == idempotency_key(*other)) == (one == other)
