"""The journalled store below every emulated system."""

from pathlib import Path

from connectors.emulators import store as store_module
from connectors.emulators.store import Store


def test_what_was_put_patched_and_deleted_is_there_again(tmp_path: Path) -> None:
    contacts = Store(tmp_path).collection("contacts")
    contacts.put_many({"b": {"n": 1}, "a": {"n": 2}, "c": {"n": 3}})
    contacts.patch("a", {"m": "é"})
    contacts.delete("c")
    again = Store(tmp_path).collection("contacts")
    assert list(again.items()) == [("b", {"n": 1}), ("a", {"n": 2, "m": "é"})]
    assert again.sorted_ids() == ["a", "b"]


def test_a_journal_cut_off_in_the_middle_of_a_change_keeps_all_before_it(tmp_path: Path) -> None:
    contacts = Store(tmp_path).collection("contacts")
    contacts.put("a", {"n": 1})
    contacts.put("b", {"n": 2})
    journal = tmp_path / "contacts.journal"
    journal.write_bytes(journal.read_bytes()[:-3])
    again = Store(tmp_path).collection("contacts")
    assert list(again) == ["a"]
    again.put("c", {"n": 3})
    assert list(Store(tmp_path).collection("contacts")) == ["a", "c"]


def test_a_journal_that_grew_large_is_rewritten_as_it_stands(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(store_module, "_COMPACT_ABOVE", 10_000)
    contacts = Store(tmp_path).collection("contacts")
    for at in range(2_000):
        contacts.put("a", {"n": at})
    assert (tmp_path / "contacts.journal").stat().st_size < 11_000
    assert Store(tmp_path).collection("contacts").get("a") == {"n": 1_999}


def test_sorted_ids_follow_what_comes_and_goes() -> None:
    contacts = Store(None).collection("contacts")
    contacts.put_many({"b": {}, "a": {}})
    assert contacts.sorted_ids() == ["a", "b"]
    contacts.put("0", {})
    contacts.put("b", {"n": 1})
    contacts.delete("a")
    assert contacts.sorted_ids() == ["0", "b"]


def test_an_edit_from_outside_is_told_to_the_system_that_owns_the_records() -> None:
    contacts = Store(None).collection("contacts")
    heard = []
    contacts.edited = lambda key, before, after: heard.append((key, before, after))
    contacts.put("a", {"n": 1})
    contacts.edit("a", {"n": 2})
    contacts.edit("a", None)
    assert heard == [("a", {"n": 1}, {"n": 2}), ("a", {"n": 2}, None)]
