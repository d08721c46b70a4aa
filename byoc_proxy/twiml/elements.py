"""XML bytes to a small tree of elements: expat with everything switched off that TwiML has no use for.

Refuses document types (and with them every entity: billion laughs, XXE), processing instructions, nesting
deeper than `MAX_DEPTH`, bodies over `MAX_BODY` bytes (11750), empty bodies (11770) and what is not XML 1.0
(12100). Comments vanish; CDATA is text.
"""

from __future__ import annotations

from typing import Final, NoReturn
from xml.parsers import expat

from byoc_proxy.twiml.verbs import TwimlError

MAX_BODY: Final = 64 * 1024
MAX_DEPTH: Final = 32


class Element:
    """One element: name, attributes, the text directly inside it (trimmed) and the child elements."""

    __slots__ = ("attributes", "children", "name", "text")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.text = ""
        self.children: list[Element] = []


def read_elements(body: bytes) -> Element:
    """The root element of `body`; `TwimlError` 11750, 11770 or 12100 otherwise."""
    if len(body) > MAX_BODY:
        raise TwimlError(11750, f"the document has more than {MAX_BODY} bytes")
    if not body.strip():
        raise TwimlError(11770, "the document is empty")
    tree = _Tree()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = tree.start
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.characters
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.ProcessingInstructionHandler = _refuse_instruction
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise TwimlError(12100, f"the document is not XML: {error}") from error
    except (LookupError, ValueError) as error:  # how pyexpat reports an encoding that it cannot decode
        raise TwimlError(12100, f"the encoding of the document is not supported: {error}") from error
    return tree.root.children[0]


class _Tree:
    """Collects expat's events. `root` is a stand-in above the document's own root element."""

    __slots__ = ("_open", "root")

    def __init__(self) -> None:
        self.root = Element("", {})
        self._open = [self.root]

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) > MAX_DEPTH:
            raise TwimlError(12100, f"elements are nested more than {MAX_DEPTH} deep")
        element = Element(name, attributes)
        self._open[-1].children.append(element)
        self._open.append(element)

    def end(self, _name: str) -> None:
        element = self._open.pop()
        element.text = element.text.strip()

    def characters(self, text: str) -> None:
        self._open[-1].text += text


def _refuse_doctype(*_declaration: object) -> NoReturn:
    # Entities can only be declared inside a document type: refusing it refuses them before the first
    # expansion
    raise TwimlError(12100, "a document type declaration is not allowed")


def _refuse_instruction(*_instruction: object) -> NoReturn:
    raise TwimlError(12100, "a processing instruction is not allowed")
