"""Text as it really comes (prima.md 4.2), one quirk at a time."""

from xml.etree import ElementTree

import pytest
import zeep

from tests.emulators.prima.site import Site, envelope, parsed, request_xml


def first(site: Site) -> dict[str, str]:
    return dict(site.page("CustomerChanges", MaxRecords="1")[1][0].attrib)


def test_the_inner_document_may_declare_latin_1_in_a_unicode_string(site: Site) -> None:
    """prima.md 4.2 rule 1; fact 11: what Latin-1 does not have is written as an entity"""
    site.control("PATCH", "prima/customers/C0001", {"CustomerForename": "Zoë", "CustomerSurname": "Łąka € £"})
    site.set(declaration="yes")
    text = site.text(request_xml("CustomerChanges", MaxRecords="1"))
    assert text.startswith('<?xml version="1.0" encoding="ISO-8859-1"?><Response')
    assert "Zoë" in text
    assert "&#321;&#261;ka &#8364; £" in text
    assert parsed(text)[0][0].get("CustomerSurname") == "Łąka € £"


@pytest.mark.parametrize(("absent", "written"), [("empty", ""), ("question", "?"), ("missing", None)])
def test_not_given_is_written_in_three_ways(site: Site, absent: str, written: str | None) -> None:
    """prima.md 4.2 rule 3"""
    site.set(absent=absent)
    customer = first(site)
    assert customer.get("ReceiveText") == written
    assert customer["ReceiveEmail"] == "Yes"


@pytest.mark.parametrize(("letters", "name"), [("lower", "receiveemail"), ("upper", "RECEIVEEMAIL")])
def test_names_come_in_any_case(site: Site, letters: str, name: str) -> None:
    """prima.md 4.2 rule 2"""
    site.set(letters=letters)
    root = parsed(site.text(request_xml("CustomerChanges")))
    status = {key.lower(): value for key, value in root.attrib.items()}["requeststatus"]
    assert (status, root[0][0].get(name)) == ("OK", "Yes")


def test_an_output_may_be_escaped_twice(site: Site) -> None:
    """prima.md 4.2 rule 7"""
    site.set(double_escape="yes")
    text = site.text(request_xml("OrderStatus", OrderNumber="201001"))
    assert text.startswith("&lt;Response")
    assert 'OrderStatus="Part Despatched"' in text


@pytest.mark.parametrize(
    ("quirk", "attribute", "value"),
    [
        ("accents", "CustomerSurname", "Ó'Néíll"),
        ("ampersand", "CustomerSurname", "O'Neill & Co"),
        ("quotes", "CustomerForename", '"Ann" O\'Ann'),
        ("upper", "CustomerEmail", "ANN@EXAMPLE.COM"),
        ("lower", "Status", "active"),
        ("blanks", "Status", "Active   "),
        ("placeholder_email", "CustomerEmail", "noemail@example.com"),
        ("question", "AddrLine2", "?"),
    ],
)
def test_a_quirk_of_typing_shows_in_the_reply_and_nowhere_else(
    site: Site, quirk: str, attribute: str, value: str
) -> None:
    """prima.md 4.2 and 7.2, identity"""
    before = site.control("GET", "prima/customers/C0001").json()
    site.set(quirks=quirk)
    assert first(site)[attribute] == value
    assert site.control("GET", "prima/customers/C0001").json() == before


def test_several_quirks_come_together(site: Site) -> None:
    site.set(quirks="accents,ampersand,upper,blanks")
    assert first(site)["CustomerForename"] == "ÁNN & CO   "
    assert first(site)["Status"] == "ACTIVE   "


def test_special_characters_survive_both_envelopes(site: Site) -> None:
    """prima.md 4.2 rule 4"""
    nasty = "a<b>&amp;\"c'\t\nd]]>é€😀"
    site.control("PATCH", "prima/customers/C0001", {"AddrLine1": nasty})
    assert first(site)["AddrLine1"] == nasty


@pytest.mark.parametrize("output", ["html", "text", "cut", "empty"])
def test_the_output_of_a_good_envelope_may_be_no_document(site: Site, output: str) -> None:
    """prima.md 4.2 rule 6"""
    site.set(output=output)
    text = site.text(request_xml("CustomerChanges"))
    with pytest.raises(ElementTree.ParseError):
        parsed(text)


def test_the_output_may_be_an_entity_bomb(site: Site) -> None:
    """prima.md 4.2 rule 5: refuse DTDs"""
    site.set(output="doctype")
    assert site.text(request_xml("CustomerChanges")).startswith("<!DOCTYPE Response [<!ENTITY")


def test_the_envelope_may_be_latin_1_said_or_unsaid(site: Site) -> None:
    """prima.md 3, text encoding"""
    site.control("PATCH", "prima/customers/C0001", {"CustomerForename": "Zoë €"})
    site.set(envelope_encoding="iso-8859-1")
    assert 'CustomerForename="Zoë €"' in zeep.Client(site.wsdl).service.wsomhandler(request_xml("CustomerChanges"))
    site.set(envelope_encoding="wrong")
    with pytest.raises(UnicodeDecodeError):
        site.post(envelope(request_xml("CustomerChanges"))).content.decode("utf-8")
