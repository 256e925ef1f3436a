"""A SOAP reply → the elements of the document inside it, in two stages and constant memory (MEASURED 1).

Stage one is expat over the envelope; it hands the characters of each output on as they come. Stage two is a
hardened XMLPullParser over those characters. No entity, no DTD and no network in either (contract 4.2, SECURITY 7).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from lxml import etree

from connectors import redaction
from connectors.prima.node import local

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
DEEPEST = 64
LONGEST_TOKEN = 4 * 1024 * 1024
"""Bytes of one tag with its attributes, in the envelope and inside."""
MOST_ELEMENTS = 20_000
"""Elements of one record."""
PROLOG = 64 * 1024
HEAD = 2_000
"""Characters that are kept to say what came instead of XML."""
_DECLARATION = re.compile(r"\s*<\?xml\b[^>]*\?>\s*", re.IGNORECASE)
_WRAPPED = re.compile(r"<[^!?<>]{1,200}>\s*&lt;")
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


class NotXmlError(Exception):
    """What came instead of a document, in words: a transport failure, retryable for reads (contract 4.2)."""


class UnsafeXmlError(Exception):
    """The reply breaks a limit or declares a document type."""


class SoapFault(Exception):
    """A fault of the adapter. `message` is errorMessage, `request_id` what its administrator asks for."""

    def __init__(self, code: str, text: str, message: str, request_id: str) -> None:
        super().__init__(message or text)
        self.code, self.text, self.message, self.request_id = code, text, message, request_id


@dataclass
class Reply:
    """What one reply holds besides its records: the attributes of the root, and of each element on the way to
    the records, by path (`()` is the root). Filled while `records` is read."""

    attributes: dict[tuple[str, ...], dict[str, str]] = field(default_factory=dict)
    texts: dict[tuple[str, ...], str] = field(default_factory=dict)
    root: str = ""
    checked: bool = False
    """Its status has been looked at."""

    def value(self, steps: Sequence[str], attribute: str) -> str:
        if attribute:
            return self.attributes.get(tuple(steps), {}).get(attribute, "")
        return self.texts.get(tuple(steps), "")


def records(chunks: Iterable[bytes], steps: Sequence[str], reply: Reply, output: str = "") -> Iterator[Any]:
    """Each record element (lxml), complete; it is emptied when the next one is asked for.

    `output` names the output part; empty means the one that holds XML. Raises NotXmlError, UnsafeXmlError and
    SoapFault.
    """
    document = _Document(tuple(steps), reply)
    envelope = _Envelope(document, output.lower())
    for chunk in chunks:
        envelope.feed(chunk)
        yield from document.ready()
    envelope.close()
    yield from document.ready()


def enveloped(document: bytes) -> bytes:
    """A document as the only output of a reply, so that a captured one is read as a live one is."""
    text = document.decode("utf-8-sig", "replace")
    name = f"{{{SOAP}}}"
    root = etree.Element(f"{name}Envelope")
    call = etree.SubElement(etree.SubElement(root, f"{name}Body"), "captured")
    etree.SubElement(call, "output").text = _NOT_XML.sub("", text)
    return etree.tostring(root)


class _Envelope:
    """Stage one. What is not an envelope at all is kept to be named."""

    def __init__(self, document: "_Document", output: str) -> None:
        self._document, self._output = document, output
        self._parser = _expat(self)
        self._path: list[str] = []
        self._part = _Part(document)
        self._others: list[str] = []
        self._fault: dict[str, str] = {}
        self._head = b""
        self._fed = 0
        self._chosen = False

    def feed(self, chunk: bytes) -> None:
        if len(self._head) < HEAD:
            self._head += chunk[: HEAD - len(self._head)]
        self._run(chunk, False)
        if self._fed - self._parser.CurrentByteIndex > LONGEST_TOKEN:
            raise UnsafeXmlError("a tag of more than 4 MB")

    def close(self) -> None:
        self._run(b"", True)
        if self._fault:
            raise SoapFault(*(self._fault.get(name, "").strip() for name in
                              ("faultcode", "faultstring", "errormessage", "requestid")))  # fmt: skip
        if not self._chosen:
            seen = next((text for text in self._others if text.strip()), "")
            raise NotXmlError(described(seen.encode()) if seen else "no output with a document in it")

    def _run(self, chunk: bytes, last: bool) -> None:
        self._fed += len(chunk)
        try:
            self._parser.Parse(chunk, last)
        except expat.ExpatError as error:
            if self._fault or self._chosen or len(self._path) > 1:
                raise NotXmlError(f"a reply that is broken or cut off ({error})") from error
            raise NotXmlError(described(self._head)) from error
        except (
            LookupError,
            ValueError,
        ) as error:  # the declaration names an encoding that Python lacks or expat cannot
            raise NotXmlError(f"XML in an encoding that cannot be read ({error})") from error

    # expat's handlers; an exception in one of them ends Parse and comes out of it

    def start(self, name: str, _: dict[str, str]) -> None:
        self._path.append(local(name.replace(" ", "}")))
        depth = len(self._path)
        if depth > DEEPEST:
            raise UnsafeXmlError(f"elements more than {DEEPEST} deep")
        if depth == 1 and self._path[0] != "envelope":
            raise NotXmlError(described(self._head))
        if self._is_part():
            self._part = _Part(self._document)

    def end(self, _: str) -> None:
        if self._is_part():
            self._end_of_part()
        self._path.pop()

    def text(self, text: str) -> None:
        if self._is_part():
            if self._output in ("", self._path[-1]):
                self._part.feed(text)
        elif len(self._path) >= 3 and self._path[2] == "fault":
            self._of_fault(text)

    def _is_part(self) -> bool:
        """An output of an operation; also one that stands in the body itself (bare, or referred to)."""
        return not self._chosen and len(self._path) in (3, 4) and self._path[2] != "fault"

    def _end_of_part(self) -> None:
        if self._part.is_document:
            self._part.close()
            self._chosen = True
        else:
            self._others.append(self._part.head)
            self._part = _Part(self._document)

    def _of_fault(self, text: str) -> None:
        known = self._fault.get(self._path[-1], "")
        if len(self._fault) < 20 and len(known) < HEAD:
            self._fault[self._path[-1]] = known + text[:HEAD]

    def doctype(self, *_: Any) -> None:
        if not self._path and _is_html(self._head.decode("utf-8", "replace")):
            raise NotXmlError(described(self._head))
        raise UnsafeXmlError("a document type declaration")


def _expat(handlers: Any) -> Any:
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text, parser.buffer_size = True, 1 << 16
    parser.StartElementHandler, parser.EndElementHandler = handlers.start, handlers.end
    parser.CharacterDataHandler = handlers.text
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = handlers.doctype
    return parser


class _Part:
    """The characters of one output: a document, or something short to be named.

    The inner declaration is dropped: it names the encoding of bytes that are no more. A document that is
    escaped once more is unescaped (contract 4.2).
    """

    def __init__(self, document: "_Document") -> None:
        self._document = document
        self._waiting = ""
        self._next: Any = None
        self.head = ""

    @property
    def is_document(self) -> bool:
        self._decide(last=True)
        return self._next is not None

    def feed(self, text: str) -> None:
        if self._next is not None:
            self._next.feed(text)
            return
        if len(self._waiting) < PROLOG:
            self._waiting += text
        self._decide(last=False)

    def close(self) -> None:
        self._next.close()

    def _decide(self, last: bool) -> None:
        if self._next is not None or (not last and len(self._waiting) < 4_096):
            return
        begins = self._waiting.lstrip("\ufeff \t\r\n")
        self.head = begins[:HEAD]
        body = _DECLARATION.sub("", begins, count=1) if begins.startswith("<?") else begins
        if body.startswith("&lt;"):
            self._go(_Unescaped(self._document, wrapped=False), body)
        elif _WRAPPED.match(body):
            self._go(_Unescaped(self._document, wrapped=True), body)
        elif body.startswith("<") and not _is_html(body):
            self._go(self._document, body)

    def _go(self, to: Any, body: str) -> None:
        self._next, self._waiting = to, ""
        to.feed(body)


class _Unescaped:
    """One more stage: an escaped document, bare or as the only text of an element."""

    def __init__(self, document: "_Document", wrapped: bool) -> None:
        self._inner = _Part(document)
        self._parser = _expat(self)
        self._wrapped = wrapped
        self._depth = 0
        self._run("" if wrapped else "<text>", False)

    def feed(self, text: str) -> None:
        self._run(text, False)

    def close(self) -> None:
        self._run("" if self._wrapped else "</text>", True)
        if not self._inner.is_document:
            raise NotXmlError(described(self._inner.head.encode()))
        self._inner.close()

    def _run(self, text: str, last: bool) -> None:
        try:
            self._parser.Parse(text.encode("utf-8", "replace"), last)
        except expat.ExpatError as error:
            raise NotXmlError(f"an escaped document that is broken ({error})") from error

    def start(self, *_: Any) -> None:
        self._depth += 1
        if self._depth > 1:
            raise NotXmlError("a document that is neither escaped nor plain")

    def end(self, _: str) -> None:
        self._depth -= 1

    def text(self, text: str) -> None:
        self._inner.feed(text)

    def doctype(self, *_: Any) -> None:
        raise UnsafeXmlError("a document type declaration")


class _Document:
    """Stage two."""

    def __init__(self, steps: tuple[str, ...], reply: Reply) -> None:
        self._steps, self._reply = steps, reply
        self._parser = etree.XMLPullParser(
            ("start", "end"), resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False,
            remove_comments=True, remove_pis=True, encoding="utf-8",
        )  # fmt: skip
        self._path: list[str] = []
        self._fed = 0
        self._since = 0
        self._elements = 0

    def feed(self, text: str) -> None:
        if not text.isascii() or not text.isprintable():
            text = _NOT_XML.sub("", text)
        self._fed += len(text)
        self._since += len(text)
        if not self._path and self._fed > PROLOG + LONGEST_TOKEN:
            raise UnsafeXmlError("a prolog without end")
        self._guarded(self._parser.feed, text.encode("utf-8", "replace"))

    def close(self) -> None:
        self._guarded(self._parser.close)

    def _guarded(self, call: Any, *values: Any) -> None:
        try:
            call(*values)
        except etree.XMLSyntaxError as error:
            problem = str(error)
            if "huge" in problem.lower() or "too long" in problem or "excessive depth" in problem.lower():
                raise UnsafeXmlError(problem[:200]) from error
            raise NotXmlError(f"a document that is broken or cut off ({problem[:200]})") from error

    def ready(self) -> Iterator[Any]:
        depth = len(self._steps) + 1
        events: Iterator[tuple[str, Any]] = self._parser.read_events()
        for event, element in events:
            if event == "start":
                self._start(element)
                continue
            at = len(self._path)
            self._since = 0
            if at == depth and tuple(self._path[1:]) == self._steps:
                yield element
                self._drop(element)
            elif at <= depth or tuple(self._path[1:depth]) != self._steps:
                if at <= depth and len(self._reply.texts) < 100:
                    self._reply.texts[tuple(self._path[1:])] = (element.text or "")[:HEAD]
                self._drop(element)
            self._path.pop()
        if self._since > 3 * LONGEST_TOKEN:
            raise UnsafeXmlError("12 MB without the end of an element")

    def _start(self, element: Any) -> None:
        if not self._path:
            if element.getroottree().docinfo.doctype:
                raise UnsafeXmlError("a document type declaration")
            self._reply.root = local(element.tag)
        self._path.append(local(element.tag))
        if len(self._path) > DEEPEST:
            raise UnsafeXmlError(f"elements more than {DEEPEST} deep")
        within = len(self._path) > len(self._steps) + 1
        self._elements = self._elements + 1 if within else 0
        if self._elements > MOST_ELEMENTS:
            raise UnsafeXmlError(f"a record of more than {MOST_ELEMENTS} elements")
        if len(self._path) <= max(len(self._steps), 2) and len(self._reply.attributes) < 100:
            names = {local(name): value for name, value in element.attrib.items()}
            self._reply.attributes.setdefault(tuple(self._path[1:]), names)

    @staticmethod
    def _drop(element: Any) -> None:
        """What was read is given back: the element's content, and everything before it."""
        element.clear()
        parent = element.getparent()
        while parent is not None and parent[0] is not element:
            del parent[0]


def _is_html(text: str) -> bool:
    return text[:200].lstrip().lower().startswith(("<!doctype html", "<html"))


def described(body: bytes) -> str:
    """What came, in words for an operator."""
    text = body.decode("utf-8", "replace").strip()
    if not text:
        return "an empty reply"
    if _is_html(text):
        title = re.search(r"<title[^>]{0,100}>([^<]{0,200})", text, re.IGNORECASE)
        return f"an HTML page{f' titled {title[1].strip()!r}' if title else ''}"
    data = text[0] in "<{["  # people's values: only its names are shown
    shown = redaction.shape(body[:600], length=80) if data else redaction.redacted(text[:600])[:80]
    return f"{'XML that is no SOAP envelope' if text[0] == '<' else 'text that is no XML'} ({shown!r})"
