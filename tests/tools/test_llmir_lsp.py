"""llmir-lsp: a session over JSON-RPC with the program, as an editor has it, and what it says about texts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmir.tools.lsp_document import Document, Range

TEXT = """\
// RUN: llmir-opt %s --fuse-quantized-ops
llm.weight @w : tensor<8x4xf32>
llm.weight @"odd name" : tensor<4xf32>
func.func @main(%x: tensor<?x4xf32>) -> tensor<?x8xf32> {
  %w = llm.load_weight @w : tensor<8x4xf32>
  %y, %z = "some.op"(%x) : (tensor<?x4xf32>) -> (tensor<?x4xf32>, i1) // 🦙 --allow-unregistered-dialect
  %r = llm.linear(%y, %w) : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
  func.return %r : tensor<?x8xf32>
}
func.func @caller(%x: tensor<?x4xf32>) -> tensor<?x8xf32> {
  %y = func.call @main(%x) : (tensor<?x4xf32>) -> tensor<?x8xf32>
  func.return %y : tensor<?x8xf32>
}
"""

BROKEN = """\
func.func @f(%x: tensor<4xf32>) {
  %y = llm.silu(%x) : (tensor<4xf32>) -> tensor<5xf32>
  %z = "llm.silu"(%x) : (tensor<4xf32>) -> tensor<6xf32>
  func.return
}
// -----
func.func @g( {
func.func @h() {
  llm.silly
}
"""


def at(text: str, line: int, word: str) -> int:
    """The offset of a word in a line, the first of which is 1."""
    starts = text.split("\n")
    return sum(len(x) + 1 for x in starts[: line - 1]) + starts[line - 1].index(word)


def said(text: str, where: Range | None) -> tuple[int, str]:
    """The line of a range and the words in it."""
    assert where is not None
    return text.count("\n", 0, where.start) + 1, text[where.start : where.end]


@pytest.fixture(scope="module")
def document() -> Document:
    found = Document(TEXT, "a.mlir")
    assert found.problems == []
    return found


@pytest.mark.parametrize(
    ("line", "word", "definition"),
    [
        (7, "%y", (6, "%y")),
        (7, "%w", (5, "%w")),
        (6, "%x", (4, "%x")),
        (8, "%r", (7, "%r")),
        (11, "%x", (10, "%x")),
        (12, "%y", (11, "%y")),
        (5, "@w", (2, "@w")),
        (11, "@main", (4, "@main")),
        (5, "%w", (5, "%w")),
    ],
)
def test_definitions(document: Document, line: int, word: str, definition: tuple[int, str]) -> None:
    assert said(TEXT, document.definition(at(TEXT, line, word))) == definition


def test_nothing_is_defined(document: Document) -> None:
    assert document.definition(at(TEXT, 8, "return")) is None
    assert document.definition(at(TEXT, 1, "RUN")) is None
    assert document.definition(len(TEXT)) is None
    assert document.hover(at(TEXT, 9, "}")) is None


def test_uses(document: Document) -> None:
    assert [said(TEXT, where) for where in document.uses(at(TEXT, 5, "%w"))] == [(7, "%w")]
    assert [said(TEXT, where) for where in document.uses(at(TEXT, 2, "@w"))] == [(5, "@w")]
    assert [said(TEXT, where)[0] for where in document.uses(at(TEXT, 10, "%x"))] == [11]
    assert document.uses(at(TEXT, 1, "RUN")) == []


@pytest.mark.parametrize(
    ("line", "word", "words"),
    [
        (7, "llm.linear", "**llm.linear**"),
        (6, "some.op", None),
        (7, "%y", "%y : tensor<?x4xf32>\n```\nresult 0 of `some.op`"),
        (6, "%z", "%z : i1\n```\nresult 1 of"),
        (6, "%x", "%x : tensor<?x4xf32>\n```\nargument of `func.func`"),
        (5, "@w", "llm.weight @w : tensor<8x4xf32>"),
        (1, "fuse", None),
        (1, "llmir", None),
    ],
)
def test_hover(document: Document, line: int, word: str, words: str | None) -> None:
    found = document.hover(at(TEXT, line, word))
    assert (found is None) if words is None else (found is not None and words in found[0])


def test_values_that_are_used_before_they_are_defined() -> None:
    text = '"use"(%p#1) : (i1) -> ()\n%p:2 = "def"() : () -> (i32, i1) // --allow-unregistered-dialect'
    document = Document(text, "a.mlir")
    assert document.problems == []
    assert said(text, document.definition(text.index("%p"))) == (2, "%p")
    found = document.hover(text.index("%p"))
    assert found is not None
    assert "%p#1 : i1\n" in found[0]
    assert "result 1 of `def`" in found[0]


def test_hover_over_a_pass() -> None:
    text = "// RUN: llmir-opt %s -p quantize-weights,cse"
    found = Document(text, "a.mlir").hover(text.index("quantize"))
    assert found is not None
    assert "quantize-weights\n    " in found[0]


def test_symbols(document: Document) -> None:
    found = [(s.name, s.operation.name, said(TEXT, s.named)) for s in document.symbols]
    assert found == [
        ("w", "llm.weight", (2, "@w")),
        ("odd name", "llm.weight", (3, '@"odd name"')),
        ("main", "func.func", (4, "@main")),
        ("caller", "func.func", (10, "@caller")),
    ]
    whole = document.symbols[2].whole
    assert (said(TEXT, whole)[0], TEXT[: whole.end].count("\n") + 1) == (4, 9)


def test_problems_of_every_chunk() -> None:
    problems = Document(BROKEN, "a.mlir").problems
    assert [said(BROKEN, p.range) for p in problems] == [
        (2, "llm.silu"),
        (3, '"llm.silu"'),
        (7, "{"),
        (9, "llm.silly"),
    ]
    assert problems[0].message == "'llm.silu' op input is 4 but result is 5; shapes must agree"


@pytest.mark.parametrize("text", ["", "$", '"', "func.func @f(", "{-#", "// only\n", "\n\n", "builtin.module {" * 5000])
def test_odd_texts(text: str) -> None:
    document = Document(text, "a.mlir")
    assert all(0 <= p.range.start <= p.range.end <= len(text) + 1 for p in document.problems)
    for offset in {0, len(text) // 2, len(text)}:
        document.hover(offset)
        document.definition(offset)


def test_operation_names(document: Document) -> None:
    names = document.operation_names()
    assert names["llm.linear"]
    assert "kernel.call" in names


class Editor:
    """Talks to the server over pipes."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "llmir.tools.llmir_lsp", "--stdio"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.notes: list[dict[str, Any]] = []
        self._next = 0

    def notify(self, method: str, params: Any) -> None:
        self._send({"method": method, "params": params})

    def request(self, method: str, params: Any) -> Any:
        self._next += 1
        self._send({"id": self._next, "method": method, "params": params})
        while (answer := self._receive()).get("id") != self._next:
            self.notes.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def diagnostics(self) -> list[dict[str, Any]]:
        """The next that are published."""
        while not self.notes or self.notes[0]["method"] != "textDocument/publishDiagnostics":
            self.notes = self.notes[1:] or [self._receive()]
        return self.notes.pop(0)["params"]["diagnostics"]

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        length = 0
        while line := self.process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        assert length, self.process.stderr and self.process.stderr.read().decode()
        return json.loads(self.process.stdout.read(length))


@pytest.fixture
def editor() -> Iterator[Editor]:
    found = Editor()
    yield found
    found.process.kill()
    found.process.communicate()


@pytest.mark.timeout(60)
def test_a_session(editor: Editor, tmp_path: Path) -> None:
    uri = (tmp_path / "a.mlir").as_uri()
    document = {"uri": uri}

    def position(line: int, character: int) -> dict[str, Any]:
        return {"textDocument": document, "position": {"line": line - 1, "character": character}}

    initialized = editor.request("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
    capabilities = initialized["capabilities"]
    assert capabilities["hoverProvider"]
    assert capabilities["definitionProvider"]
    assert capabilities["documentSymbolProvider"]
    editor.notify("initialized", {})
    item = {**document, "languageId": "mlir", "version": 1, "text": BROKEN}
    editor.notify("textDocument/didOpen", {"textDocument": item})
    first, *others = editor.diagnostics()
    assert first["range"] == {"start": {"line": 1, "character": 7}, "end": {"line": 1, "character": 15}}
    assert first["message"] == "'llm.silu' op input is 4 but result is 5; shapes must agree"
    assert first["severity"] == 1
    assert len(others) == 3

    change = {"textDocument": {**document, "version": 2}, "contentChanges": [{"text": TEXT}]}
    editor.notify("textDocument/didChange", change)
    assert editor.diagnostics() == []
    hover = editor.request("textDocument/hover", position(7, 9))
    assert hover["contents"]["kind"] == "markdown"
    assert hover["contents"]["value"].startswith("**llm.linear**\n\n")
    assert hover["range"] == {"start": {"line": 6, "character": 7}, "end": {"line": 6, "character": 17}}
    symbol = editor.request("textDocument/definition", position(11, 18))
    assert symbol == {"uri": uri, "range": {"start": {"line": 3, "character": 10}, "end": {"line": 3, "character": 15}}}
    value = editor.request("textDocument/definition", position(7, 23))
    assert value["range"]["start"] == {"line": 4, "character": 2}
    assert editor.request("textDocument/definition", position(1, 3)) is None
    for declaration, lines in ((True, [4, 6]), (False, [6])):
        wanted = {**position(7, 23), "context": {"includeDeclaration": declaration}}
        found = editor.request("textDocument/references", wanted)
        assert [where["range"]["start"]["line"] for where in found] == lines
    names = [s["name"] for s in editor.request("textDocument/documentSymbol", {"textDocument": document})]
    assert names == ["w", "odd name", "main", "caller"]

    # positions are in UTF-16 units: the letter in the comment takes two
    edit = {"range": {"start": {"line": 5, "character": 73}, "end": {"line": 5, "character": 75}}, "text": "U llm.lin"}
    editor.notify("textDocument/didChange", {"textDocument": {**document, "version": 3}, "contentChanges": [edit]})
    assert editor.diagnostics() == []
    offered = editor.request("textDocument/completion", position(6, 82))
    assert [i["label"] for i in offered] == ["llm.linear"]
    assert offered[0]["textEdit"]["range"]["start"] == {"line": 5, "character": 75}

    editor.notify("textDocument/didClose", {"textDocument": document})
    assert editor.diagnostics() == []
    assert editor.request("shutdown", None) is None
    editor.notify("exit", None)
    assert editor.process.wait(10) == 0


def test_without_pygls() -> None:
    code = "import sys; sys.modules['pygls'] = None; from llmir.tools.llmir_lsp import main; sys.exit(main([]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "llmir-lsp: error: needs pygls; install it with pip install 'llmir-compiler[lsp]'\n"
