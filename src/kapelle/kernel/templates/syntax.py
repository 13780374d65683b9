"""The Liquid dialect of Kapelle: no includes, limits on loops, output and time, errors that name a line. Pure."""

from __future__ import annotations

import re
import time
from functools import lru_cache
from html import unescape
from typing import TYPE_CHECKING, Any, TextIO

from liquid import Environment, Mode
from liquid.ast import BlockNode, Node
from liquid.context import RenderContext
from liquid.exceptions import LiquidError
from liquid.filter import with_context
from liquid.parser import get_parser
from liquid.tag import Tag
from liquid.template import BoundTemplate
from liquid.token import TOKEN_EOF, TOKEN_TAG, Token
from markupsafe import Markup

from kapelle.kernel.errors import Invalid
from kapelle.kernel.templates import marks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from liquid.stream import TokenStream

MAX_LOOPS = 10_000
MAX_OUTPUT = 1_000_000  # bytes; a mail over 100 kB is already cut by large mailbox providers
MAX_SECONDS = 1.0
_FORBIDDEN_TAGS = ("include", "render")
LINKS = "__links"  # the render context's collector of rendered link targets
PRODUCTS = "__products"  # all products that the template names, by their external id; "" holds the top list
DEFAULT_PRODUCTS = 3


class TemplateInvalid(Invalid):
    """A template cannot be used; the message names the part, the line and what to do. `details`: part, line."""

    code = "template_invalid"


class RenderTooLong(LiquidError):
    """Rendering for one recipient went over its time."""


class _LimitedContext(RenderContext):
    """Looks at the clock wherever a template can spend time: at loops and filters."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.deadline = time.monotonic() + MAX_SECONDS

    def raise_for_loop_limit(self, length: int = 1) -> None:
        self._check_time()
        super().raise_for_loop_limit(length)

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        self._check_time()
        return super().filter(name, token)

    def _check_time(self) -> None:
        if time.monotonic() > self.deadline:
            raise RenderTooLong("rendering takes longer than a second", token=None)


class _Template(BoundTemplate):
    context_class = _LimitedContext


class _Environment(Environment):
    loop_iteration_limit = MAX_LOOPS
    output_stream_limit = MAX_OUTPUT
    local_namespace_limit = MAX_OUTPUT
    template_class = _Template


class _TrackedNode(Node):
    """A link target made by Liquid: rendered, collected, and replaced by its mark."""

    def __init__(self, token: Token, block: BlockNode) -> None:
        super().__init__(token)
        self.block = block

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        inner = context.get_buffer(buffer)
        self.block.render(context, inner)
        raw = inner.getvalue().strip()
        url = unescape(raw) if context.autoescape else raw
        if url.lower().startswith(("http://", "https://")) and not marks.is_marked(url):
            links = context.resolve(LINKS)
            links.append(url)
            return buffer.write(marks.link(len(links) - 1))
        safe = marks.is_marked(url) or url.lower().startswith(("mailto:", "tel:", "sms:", "#"))
        return buffer.write(raw if safe else "#")

    def children(self, static_context: RenderContext, *, include_partials: bool = True) -> Iterable[Node]:
        yield self.block


class _TrackedTag(Tag):
    """`{% tracked %}...{% endtracked %}`: put around link targets by the compiler, never written by people."""

    name = "tracked"
    end = "endtracked"

    def parse(self, stream: TokenStream) -> _TrackedNode:
        token = stream.eat(TOKEN_TAG)
        block = get_parser(self.env).parse_block(stream, frozenset((self.end, TOKEN_EOF)))
        stream.expect(TOKEN_TAG, value=self.end)
        return _TrackedNode(token, block)


@with_context
def _products(value: object, count: int = DEFAULT_PRODUCTS, *, context: RenderContext) -> list[Any]:
    """`"top" | products: 3`: what sells most; `"sku-1, sku-2" | products`: these ones, in this order."""
    known: Any = context.resolve(PRODUCTS)
    if str(value) == "top":
        return list(known.get("", []))[: int(count)]
    wanted = [part.strip() for part in str(value).split(",")]
    return [known[external_id] for external_id in wanted if external_id and external_id in known]


@lru_cache(maxsize=2)
def environment(*, autoescape: bool) -> Environment:
    """The one environment for HTML (autoescape) or for plain text."""
    env = _Environment(autoescape=autoescape, tolerance=Mode.STRICT)
    for name in _FORBIDDEN_TAGS:
        del env.tags[name]
    env.add_tag(_TrackedTag)
    env.add_filter("products", _products)
    return env


def check(part: str, source: str) -> BoundTemplate:
    """Parse what a person wrote; raises TemplateInvalid with the line and what to do."""
    for found in re.finditer(r"\{%-?\s*(include|render|tracked)\b", source):
        name, line = found[1], _line(source, found.start())
        raise _invalid(part, line, f"the tag {{% {name} %}} is not available here", "Write the text in place.")
    env = environment(autoescape=False)
    try:
        template = env.from_string(source)
        analysis = template.analyze()
    except LiquidError as error:
        start = error.token.start_index if error.token else -1
        if start < 0:
            raise _unclosed(part, source, error) from error
        hint = "Mind the spelling and that {% … %} and {{ … }} are closed."
        raise _invalid(part, _line(source, start), str(error.message), hint) from error
    for name, spans in analysis.filters.items():
        if name not in env.filters:
            line = _line(source, spans[0].index)
            raise _invalid(part, line, f"there is no filter “{name}”", "Take it out or mind the spelling.")
    return template


def explain_render_error(part: str, error: LiquidError) -> TemplateInvalid:
    """What to tell people when rendering, not parsing, failed."""
    return _invalid(part, 1, str(error.message or error), "Make the loops shorter or the condition simpler.")


_BLOCKS = "if|unless|for|case|capture|tablerow|comment|raw|ifchanged"
_BLOCK_TAG = re.compile(rf"\{{%-?\s*(end)?({_BLOCKS})\b[^%]*%\}}")


def _unclosed(part: str, source: str, error: LiquidError) -> TemplateInvalid:
    """Liquid reports a forgotten end tag only at the end of the text: find the tag that opened."""
    opened: list[tuple[str, int]] = []
    for found in _BLOCK_TAG.finditer(source):
        if not found[1]:
            opened.append((found[2], found.start()))
        elif opened and opened[-1][0] == found[2]:
            opened.pop()
    if opened:
        name, start = opened[-1]
        return _invalid(part, _line(source, start), f"{{% {name} %}} is never closed", f"Add {{% end{name} %}}.")
    last = source.count("\n") + 1
    for number, text in enumerate(source.splitlines(), start=1):
        try:
            environment(autoescape=False).from_string("".join(re.findall(r"\{\{.*?\}\}", text)))
        except LiquidError:
            return _invalid(part, number, str(error.message), "Look at the {{ … }} on this line.")
    tag = re.search(r"\{%-?\s*\w+\s*-?%\}", source)
    line = _line(source, tag.start()) if tag else last
    return _invalid(part, line, str(error.message), "Look at the {% … %} on this line.")


def _invalid(part: str, line: int, problem: str, advice: str) -> TemplateInvalid:
    problem = problem.strip().rstrip(".").splitlines()[0]
    return TemplateInvalid(f"{part}, line {line}: {problem}. {advice}", part=part, line=line)


def invalid(part: str, source: str, index: int, problem: str, advice: str) -> TemplateInvalid:
    """An error at this character of the source."""
    return _invalid(part, _line(source, index), problem, advice)


def _line(source: str, index: int) -> int:
    return source.count("\n", 0, index) + 1


def escape(text: str) -> str:
    """HTML-escape plain text."""
    return str(Markup.escape(text))
