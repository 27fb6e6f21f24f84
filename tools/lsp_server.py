"""The language server: answers an editor's requests from `lsp_document`; needs pygls."""

from __future__ import annotations

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer
from pygls.workspace import TextDocument

from llmir import __version__
from llmir.tools.lsp_document import Document, Range
from llmir.tools.opt_registry import Registry

SEVERITIES = {
    "error": lsp.DiagnosticSeverity.Error,
    "warning": lsp.DiagnosticSeverity.Warning,
    "remark": lsp.DiagnosticSeverity.Information,
    "note": lsp.DiagnosticSeverity.Hint,
}
KINDS = {"func.func": lsp.SymbolKind.Function, "builtin.module": lsp.SymbolKind.Module}
LARGE = 1_000_000
"""Characters of a text that is read again when it is saved, not at every keystroke."""


class MLIRServer(LanguageServer):
    """Knows every open document."""

    def __init__(self) -> None:
        super().__init__("llmir-lsp", __version__)  # pyright: ignore[reportUnknownMemberType]
        self._registry = Registry()
        self._read: dict[str, Document] = {}

    def read(self, uri: str) -> Document:
        """The document as it was when it was read last."""
        return self._read.get(uri) or self.read_again(uri)

    def read_again(self, uri: str) -> Document:
        """Read the document as it is now, and tell the editor what is wrong with it."""
        source = self.workspace.get_text_document(uri)
        document = self._read[uri] = Document(source.source, source.path, self._registry)
        diagnostics = [
            lsp.Diagnostic(
                _to_client(source, document, problem.range),
                problem.message,
                severity=SEVERITIES[problem.severity],
                source="llmir",
            )
            for problem in document.problems
        ]
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, diagnostics, source.version))
        return document

    def forget(self, uri: str) -> None:
        """The document was closed."""
        self._read.pop(uri, None)
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, []))

    def locate(self, uri: str, range: Range) -> lsp.Location:
        """A range of a document as the editor wants it."""
        return lsp.Location(uri, _to_client(self.workspace.get_text_document(uri), self.read(uri), range))

    def offset(self, uri: str, place: lsp.Position) -> tuple[Document, int]:
        """The document a request is about, and the place in it."""
        source = self.workspace.get_text_document(uri)
        position = source.position_codec.position_from_client_units(source.lines, place)
        starts = _line_starts(source)
        line = min(position.line, len(starts) - 1)
        return self.read(uri), starts[line] + position.character


def _line_starts(source: TextDocument) -> list[int]:
    starts = [0]
    for line in source.lines:
        starts.append(starts[-1] + len(line))
    return starts


def _to_client(source: TextDocument, document: Document, range: Range) -> lsp.Range:
    start, end = (_position(document.text, offset) for offset in (range.start, range.end))
    return source.position_codec.range_to_client_units(source.lines, lsp.Range(start, end))


def _position(text: str, offset: int) -> lsp.Position:
    line = text.count("\n", 0, offset)
    return lsp.Position(line, offset - (text.rfind("\n", 0, offset) + 1))


def make_server() -> MLIRServer:
    """A server with everything it answers."""
    server = MLIRServer()

    @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    def _(ls: MLIRServer, params: lsp.DidOpenTextDocumentParams) -> None:
        ls.read_again(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    def _(ls: MLIRServer, params: lsp.DidChangeTextDocumentParams) -> None:
        if len(ls.workspace.get_text_document(params.text_document.uri).source) <= LARGE:
            ls.read_again(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
    def _(ls: MLIRServer, params: lsp.DidSaveTextDocumentParams) -> None:
        ls.read_again(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    def _(ls: MLIRServer, params: lsp.DidCloseTextDocumentParams) -> None:
        ls.forget(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_HOVER)
    def _(ls: MLIRServer, params: lsp.HoverParams) -> lsp.Hover | None:
        document, offset = ls.offset(params.text_document.uri, params.position)
        found = document.hover(offset)
        if found is None:
            return None
        text, where = found
        return lsp.Hover(
            lsp.MarkupContent(lsp.MarkupKind.Markdown, text), ls.locate(params.text_document.uri, where).range
        )

    @server.feature(lsp.TEXT_DOCUMENT_DEFINITION)
    def _(ls: MLIRServer, params: lsp.DefinitionParams) -> lsp.Location | None:
        document, offset = ls.offset(params.text_document.uri, params.position)
        where = document.definition(offset)
        return None if where is None else ls.locate(params.text_document.uri, where)

    @server.feature(lsp.TEXT_DOCUMENT_REFERENCES)
    def _(ls: MLIRServer, params: lsp.ReferenceParams) -> list[lsp.Location]:
        document, offset = ls.offset(params.text_document.uri, params.position)
        defined = document.definition(offset) if params.context.include_declaration else None
        found = [*([] if defined is None else [defined]), *document.uses(offset)]
        return [ls.locate(params.text_document.uri, where) for where in found]

    @server.feature(lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def _(ls: MLIRServer, params: lsp.DocumentSymbolParams) -> list[lsp.DocumentSymbol]:
        uri = params.text_document.uri
        return [
            lsp.DocumentSymbol(
                symbol.name,
                KINDS.get(symbol.operation.name, lsp.SymbolKind.Variable),
                ls.locate(uri, symbol.whole).range,
                ls.locate(uri, symbol.named).range,
                detail=symbol.operation.name,
            )
            for symbol in ls.read(uri).symbols
        ]

    @server.feature(lsp.TEXT_DOCUMENT_COMPLETION, lsp.CompletionOptions(trigger_characters=["."]))
    def _(ls: MLIRServer, params: lsp.CompletionParams) -> list[lsp.CompletionItem]:
        document, offset = ls.offset(params.text_document.uri, params.position)
        word, where = document.word_at(offset)
        replaced = ls.locate(params.text_document.uri, where).range
        return [
            lsp.CompletionItem(
                name, kind=lsp.CompletionItemKind.Function, detail=about, text_edit=lsp.TextEdit(replaced, name)
            )
            for name, about in sorted(document.operation_names().items())
            if name.startswith(word)
        ]

    return server
