"""Single-line faults of a module: every one that can be made, and some of them drawn by a seed."""

from __future__ import annotations

import ast
import difflib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

COMPARISONS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}
OPERATORS: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "/"),
    ast.Mod: ("%", "//"),
    ast.Pow: ("**", "*"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
}
SWAPPED_IN_VAIN = {"isinstance", "maximum", "minimum", "max", "min"}
"""Functions whose first two arguments are not swapped: either nothing changes or nothing runs."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One changed line of one module."""

    module: str
    line: int
    kind: str
    before: str
    after: str
    draw: str
    """Digest that orders the faults: of the seed, the function, the line's text and the change."""

    def __str__(self) -> str:
        return f"{self.module}:{self.line} {self.kind}"

    def apply(self, source: str) -> str:
        """Return the module's source with the fault in it."""
        lines = source.splitlines(keepends=True)
        if lines[self.line - 1] != self.before:
            raise ValueError(f"{self} was drawn from another source")
        return "".join((*lines[: self.line - 1], self.after, *lines[self.line :]))

    def diff(self) -> str:
        """Return the two lines as a diff shows them."""
        marks = difflib.ndiff([self.before.strip()], [self.after.strip()])
        return "\n".join("    " + line for line in marks if not line.startswith("?"))


class Finder(ast.NodeVisitor):
    """Collects the changes of a module as (line, first column, last column, kind, new text, name of the function).

    Columns count bytes, as those of ``ast`` do. What no test can tell is left alone: annotations, docstrings, texts,
    imports, decorators, and the words of an error.
    """

    def __init__(self, source: str) -> None:
        self.lines = source.encode().splitlines(keepends=True)
        self.found: list[tuple[int, int, int, str, str, str]] = []
        self.within: list[str] = []
        self.visit(ast.parse(source))

    def text(self, node: ast.expr | ast.stmt) -> str:
        return self.lines[node.lineno - 1][node.col_offset : node.end_col_offset].decode()

    def put(self, node: ast.expr | ast.stmt, kind: str, new: str) -> None:
        if node.lineno == node.end_lineno and node.end_col_offset is not None:
            self.found.append((node.lineno, node.col_offset, node.end_col_offset, kind, new, ".".join(self.within)))

    def put_between(self, left: ast.expr, right: ast.expr, kind: str, old: str, new: str) -> None:
        """Replace the operator between two expressions of one line."""
        if left.end_lineno != right.lineno or left.end_col_offset is None:
            return
        start, end = left.end_col_offset, right.col_offset
        gap = self.lines[right.lineno - 1][start:end].decode()
        if gap.count(old) == 1:
            place = start + len(gap[: gap.index(old)].encode())
            where = ".".join(self.within)
            self.found.append((right.lineno, place, place + len(old), kind, new, where))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.within.append(node.name)
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.put_constant(default, "default")
        for statement in node.body:
            self.visit(statement)
        self.within.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.within.append(node.name)
        for statement in node.body:
            self.visit(statement)
        self.within.pop()

    def visit_If(self, node: ast.If) -> None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return
        self.put(node.test, "condition", f"not ({self.text(node.test)})")
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.put(node.test, "condition", f"not ({self.text(node.test)})")
        self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None):
            self.put(node.value, "return", "None")
            self.visit(node.value)

    def visit_Raise(self, node: ast.Raise) -> None:
        self.put(node, "deletion", "pass")

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call):
            self.put(node, "deletion", "pass")
            self.visit(node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        if all(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets):
            return
        if isinstance(node.targets[0], ast.Attribute | ast.Subscript):
            self.put(node, "deletion", "pass")
        self.visit(node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.put(node, "deletion", "pass")
        self.visit(node.value)

    def visit_Break(self, node: ast.Break) -> None:
        self.put(node, "loop", "continue")

    def visit_Continue(self, node: ast.Continue) -> None:
        self.put(node, "loop", "break")

    def visit_Compare(self, node: ast.Compare) -> None:
        operands = (node.left, *node.comparators)
        for left, operator, right in zip(operands, node.ops, operands[1:], strict=False):
            old, new = COMPARISONS[type(operator)]
            self.put_between(left, right, "comparison", old, new)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if type(node.op) in OPERATORS and (self.within or not isinstance(node.op, ast.BitOr)):
            old, new = OPERATORS[type(node.op)]
            self.put_between(node.left, node.right, "operator", old, new)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            self.put_between(left, right, "and or", old, new)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not | ast.USub | ast.Invert):
            self.put(node, "sign or not", self.text(node.operand))
        self.visit(node.operand)

    def visit_Call(self, node: ast.Call) -> None:
        if (
            len(node.args) > 1
            and called(node) not in SWAPPED_IN_VAIN
            and not any(isinstance(each, ast.Starred) for each in node.args[:2])
        ):
            first, second = node.args[:2]
            if first.lineno == second.end_lineno and self.text(first) != self.text(second):
                old = self.lines[first.lineno - 1][first.col_offset : second.end_col_offset].decode()
                between = old[len(self.text(first)) : len(old) - len(self.text(second))]
                new = self.text(second) + between + self.text(first)
                place = (first.lineno, first.col_offset, second.end_col_offset or 0)
                self.found.append((*place, "arguments", new, ".".join(self.within)))
        self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Leave formatted texts alone."""

    def visit_Constant(self, node: ast.Constant) -> None:
        self.put_constant(node, "constant")

    def put_constant(self, node: ast.expr, kind: str) -> None:
        value = node.value if isinstance(node, ast.Constant) else None
        if isinstance(value, bool):
            self.put(node, kind, str(not value))
        elif isinstance(value, int):
            self.put(node, kind, str(value + 1))
        elif isinstance(value, float):
            self.put(node, kind, repr(value * 2 if value else 1.0))


def called(node: ast.Call) -> str:
    """Return the last name of what is called."""
    return ast.unparse(node.func).rsplit(".", 1)[-1]


def faults_of(module: str, source: str, seed: str) -> Iterator[Fault]:
    """Yield every fault that compiles."""
    seen: Counter[tuple[str, ...]] = Counter()
    lines = source.splitlines(keepends=True)
    for line, start, end, kind, new, within in Finder(source).found:
        before = lines[line - 1]
        raw = before.encode()
        after = (raw[:start] + new.encode() + raw[end:]).decode()
        key = (within, before.strip(), after.strip())
        seen[key] += 1
        draw = sha256("\n".join((seed, module, *key, str(seen[key]))).encode()).hexdigest()
        fault = Fault(module, line, kind, before, after, draw)
        try:
            compile(fault.apply(source), module, "exec")
        except SyntaxError:
            continue
        yield fault


def drawn(modules: Sequence[str], number: int, seed: str, top: Path) -> list[Fault]:
    """Draw faults of some modules: no two of one line, the kinds in turn, the same for the same source and seed.

    The order comes from digests, so that a change elsewhere leaves most of the drawn faults as they were.
    """
    every = [fault for module in modules for fault in faults_of(module, (top / module).read_text("utf-8"), seed)]
    ranks: Counter[str] = Counter()
    ordered = []
    for fault in sorted(every, key=lambda fault: fault.draw):
        ordered.append((ranks[fault.kind], fault.draw, fault))
        ranks[fault.kind] += 1
    taken: dict[tuple[str, int], Fault] = {}
    for _, _, fault in sorted(ordered, key=lambda each: each[:2]):
        if len(taken) < number:
            taken.setdefault((fault.module, fault.line), fault)
    return sorted(taken.values(), key=lambda fault: (fault.module, fault.line))
