"""Templates as marketers write them: what compiles, what is refused and how, what each recipient gets."""

from __future__ import annotations

import time
from typing import Any

import pytest

from kapelle.kernel.templates import Compiled, Parts, Renderer, TemplateInvalid, compile_template, marks

PRODUCTS: dict[str, Any] = {
    "": [{"name": f"P{n}", "url": f"https://shop.example/p{n}?a=1&b=2", "price": "9.90"} for n in range(5)],
    "sku-7": {"name": "Seven", "url": "https://shop.example/7", "price": "7.00"},
}
FACTS = {"customer": {"first_name": "Ann", "id": "42"}, "attributes": {"size": "M"}, "campaign": {}, "brand": {}}


def mjml(inside: str) -> str:
    return f"<mjml><mj-body>\n{inside}\n</mj-body></mjml>"


def section(inside: str) -> str:
    return mjml(f"<mj-section><mj-column><mj-text>{inside}</mj-text></mj-column></mj-section>")


def compiled(source: str, **parts: str) -> Compiled:
    return compile_template(Parts(**{"subject": "Hello", "mjml": source, **parts}))


def render(source: str, facts: dict[str, Any] = FACTS, **parts: str) -> tuple[str, str, str, list[str]]:
    mail = Renderer(compiled(source, **parts), PRODUCTS).render(facts)
    return mail.subject, mail.html, mail.text, mail.links


def test_liquid_stands_between_sections_around_columns_and_in_attributes() -> None:
    source = mjml(
        """{% if customer.first_name == "Ann" %}<mj-section background-color="{{ attributes.color | default: "#fff" }}">
        {% for p in products limit: 3 %}<mj-column><mj-image src="https://i.example/{{ p.name }}" href="{{ p.url }}" />
        </mj-column>{% endfor %}</mj-section>{% else %}<mj-section><mj-column><mj-text>nobody</mj-text></mj-column>
        </mj-section>{% endif %}"""
    )
    _, html, _, links = render(source)
    assert html.count("<img ") == 4  # three products and the pixel
    assert "background:#fff" in html
    assert "nobody" not in html
    assert links == [f"https://shop.example/p{n}?a=1&b=2" for n in range(3)] * 2  # in the HTML and in the text
    assert "{%" not in html


def test_what_customers_wrote_is_escaped_in_html_and_plain_in_text_and_subject() -> None:
    facts = {**FACTS, "customer": {"first_name": "<b>&Ann"}}
    subject, html, text, _ = render(
        section("Hi {{ customer.first_name }}"), facts, subject="{{ customer.first_name }}\n!"
    )
    assert "Hi &lt;b&gt;&amp;Ann" in html
    assert "Hi <b>&Ann" in text
    assert subject == "<b>&Ann !"


def test_static_links_are_numbered_and_others_left_alone() -> None:
    source = section(
        '<a href="https://shop.example/a?x=1&amp;y=2">a</a> <a href="mailto:hi@shop.example">b</a>'
        ' <a href="tel:+371">c</a> <a href="https://shop.example/a?x=1&amp;y=2">again</a>'
        ' <a href="{{ unsubscribe_url }}">d</a>'
    )
    _, html, text, links = render(source)
    assert links == ["https://shop.example/a?x=1&y=2"]
    assert html.count(marks.link(0)) == 2
    assert 'href="mailto:hi@shop.example"' in html
    assert f'href="{marks.UNSUBSCRIBE}"' in html
    assert f"a: {marks.link(0)}" in text


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//evil.example", ""])
def test_an_address_from_data_that_is_no_web_page_leads_nowhere(url: str) -> None:
    _, html, _, links = render(section('<a href="{{ attributes.url }}">x</a>'), {**FACTS, "attributes": {"url": url}})
    assert '<a href="#">' in html
    assert links == []


def test_a_given_text_part_is_used_and_its_links_are_tracked() -> None:
    _, _, text, links = render(
        section("x {{ unsubscribe_url }}"),
        text="Hi {{ customer.first_name }}, see https://shop.example/t. Or https://shop.example/{{ customer.id }}",
    )
    assert text == f"Hi Ann, see {marks.link(0)}. Or https://shop.example/42"
    assert links == ["https://shop.example/t"]


def test_a_way_out_is_added_where_the_author_forgot_it() -> None:
    made = compiled(section("hello"))
    assert marks.UNSUBSCRIBE in made.html
    assert marks.UNSUBSCRIBE in made.text
    assert made.warnings
    assert not compiled(section('<a href="{{ unsubscribe_url }}">out</a>')).warnings


def test_products_by_rank_and_by_id() -> None:
    source = section(
        '{% assign best = "top" | products: 2 %}{% for p in best %}[{{ p.name }}]{% endfor %}'
        '{% assign one = "sku-7, nothing" | products %}{% for p in one %}({{ p.name }} {{ p.price }}){% endfor %}'
    )
    made = compiled(source)
    assert set(made.products) == {"", "sku-7", "nothing"}
    html = Renderer(made, PRODUCTS).render(FACTS).html
    assert "[P0][P1](Seven 7.00)" in html


def test_the_preheader_is_hidden_at_the_top_and_not_in_the_text() -> None:
    _, html, text, _ = render(section("body"), preheader="For {{ customer.first_name }} & co")
    assert html.index("For Ann &amp; co") < html.index("body</div>")
    assert "For Ann" not in text


def test_what_has_no_value_is_empty_and_named_in_the_preview() -> None:
    made = compiled(section("{{ customer.frist_name }} {{ attributes.size }} {{ products.size }}"))
    renderer = Renderer(made, PRODUCTS)
    assert renderer.missing(FACTS) == ["customer.frist_name"]
    assert "frist" not in renderer.render(FACTS).html


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (mjml("\n{% if a %}\n<mj-section></mj-section>"), "line 3: {% if %} is never closed. Add {% endif %}."),
        (section("\n{{ a | nofilter }}"), "line 3: there is no filter “nofilter”"),
        (mjml("\n\n<mj-sectoin></mj-sectoin>"), "line 4: there is no component <mj-sectoin>"),
        (mjml("<mj-section>\n<mj-column></mj-section>"), "line 3: </mj-section> closes nothing that is open here"),
        (mjml("<mj-section>"), "closes nothing that is open"),
        ("<mjml></mjml>", "<mj-body> is missing"),
        ("hello", "<mjml> is missing"),
        (section("\n{% include 'x' %}"), "line 3: the tag {% include %} is not available here"),
        (section("\n{% render 'x' %}"), "line 3: the tag {% render %} is not available here"),
        (mjml('<mj-include path="/etc/passwd" />'), "mj-include is not available"),
        (section("\n<a href='javascript:x()'>x</a>"), "line 3: a link leads to “javascript:x()”"),
        (section("{% for %}{% endfor %}"), "line 2"),
        (section("\n{{ a"), "line 3"),
        (section("{% frobnicate %}"), "line 2: unexpected tag 'frobnicate'"),
    ],
)
def test_mistakes_are_named_with_part_line_and_advice(source: str, says: str) -> None:
    with pytest.raises(TemplateInvalid) as refused:
        compiled(source)
    assert says in refused.value.message
    assert refused.value.details["part"] == "mjml"
    assert refused.value.details["line"] >= 1


def test_a_broken_subject_is_named_as_such() -> None:
    with pytest.raises(TemplateInvalid, match="subject, line 1"):
        compiled(section("x"), subject="Hi {{ a | what }}")


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in (1..9999) %}{% for j in (1..9999) %}x{% endfor %}{% endfor %}",
        "{% for i in (1..9999) %}" + "y" * 2000 + "{% endfor %}",
        "{% assign s = 'xxxxxxxxxx' %}{% for i in (1..40) %}{% assign s = s | append: s %}{% endfor %}{{ s }}",
    ],
    ids=["loops", "output", "memory"],
)
def test_a_template_cannot_eat_the_machine(source: str) -> None:
    renderer = Renderer(compiled(section(source)), PRODUCTS)
    began = time.monotonic()
    with pytest.raises(TemplateInvalid):
        renderer.render(FACTS)
    assert time.monotonic() - began < 3


def test_templates_see_plain_values_only() -> None:
    _, html, _, _ = render(section("[{{ customer.__class__ }}{{ customer.first_name.__class__ }}{{ brand.__init__ }}]"))
    assert "[]" in html
