"""Product feeds: YML and Google Merchant, with all that feeds do wrong."""

from __future__ import annotations

import gzip
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from kapelle.catalog.models import Category, Product, ProductChange
from kapelle.imports.actions.feeds import FeedFile
from kapelle.imports.actions.reading import Row, detect_format
from kapelle.imports.contracts import JobStatus, NotReadable
from kapelle.imports.queries import list_errors
from kapelle.kernel.errors import KapelleError

if TYPE_CHECKING:
    from pathlib import Path

    from imports.conftest import Importing

YML_HEAD = """<?xml version="1.0" encoding="windows-1251"?>
<!DOCTYPE yml_catalog SYSTEM "shops.dtd">
<yml_catalog date="2026-11-22 12:00"><shop><name>Лавка</name><currencies><currency id="RUR" rate="1"/></currencies>
<categories><category id="1">Кухня</category><category id="2" parentId="1">Чайники</category></categories><offers>
"""
YML_TAIL = "</offers></shop></yml_catalog>"
GOOD = """<offer id="{id}" available="true" group_id="g1"><url>https://shop.test/{id}?a=1&amp;b=2</url><price>{price}</price>
<oldprice>2000</oldprice><currencyId>RUR</currencyId><categoryId>2</categoryId><picture>https://shop.test/{id}.jpg</picture>
<name>Чайник {id}</name><vendor>Мастер</vendor><vendorCode>M-{id}</vendorCode><count>{stock}</count>
<description><![CDATA[<p>Хороший & <b>красный</b></p>]]></description><param name="Цвет">красный</param></offer>
"""


def yml(*offers: str) -> bytes:
    return (YML_HEAD + "".join(offers) + YML_TAIL).encode("windows-1251")


def offer(number: Any, price: Any = 1500, stock: Any = 3) -> str:
    return GOOD.format(id=number, price=price, stock=stock)


def stored(importing: Importing, number: str) -> Product:
    with importing.scope():
        return Product.objects.get(external_id=number)


def changes(importing: Importing) -> list[tuple[str, str]]:
    with importing.scope():
        rows = ProductChange.objects.exclude(kind="new").values_list("product_external_id", "kind")
        return sorted(rows)


def test_a_yml_feed_in_windows_1251_with_all_its_fields(importing: Importing) -> None:
    job = importing.run("products", yml(offer(1), offer(2, stock=-4)), origin="main")
    assert (job.rows_created, job.rows_failed, job.encoding) == (2, 0, "xml")
    product = stored(importing, "1")
    assert (product.name, product.price, product.old_price, product.currency) == ("Чайник 1", 1500, 2000, "RUB")
    assert (product.brand, product.sku, product.group_external_id, product.stock) == ("Мастер", "M-1", "g1", 3)
    assert product.url == "https://shop.test/1?a=1&b=2"
    assert product.description == "<p>Хороший & <b>красный</b></p>"
    assert (product.attributes, product.feed, product.category_external_id) == ({"Цвет": "красный"}, "main", "2")
    assert stored(importing, "2").stock == 0
    with importing.scope():
        tree = set(Category.objects.values_list("external_id", "name", "parent_external_id"))
    assert tree == {("1", "Кухня", ""), ("2", "Чайники", "1")}
    assert importing.run("products", yml(offer(1), offer(2)), origin="main").rows_unchanged >= 3


GOOGLE = """<?xml version="1.0"?>
<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>Shop</title>
<item><g:id>A</g:id><title>Kettle&nbsp;&#8220;Red&#8221;</title><description>Boils &lt;b&gt;fast&lt;/b&gt;</description>
<link>https://shop.test/a</link><g:image_link>https://shop.test/a.jpg</g:image_link><g:price>25.00 USD</g:price>
<g:sale_price>19.99 USD</g:sale_price><g:availability>in_stock</g:availability><g:brand>Best</g:brand>
<g:product_type>Home &gt; Kitchen</g:product_type><g:item_group_id>K</g:item_group_id><g:color>red</g:color>
<g:shipping><g:country>US</g:country><g:price>5 USD</g:price></g:shipping></item>
<item><g:id>B</g:id><title>Gone</title><g:price>10 USD</g:price><g:availability>out of stock</g:availability></item>
</channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0"><title>Shop</title>
<entry><g:id>A</g:id><title>Kettle</title><link href="https://shop.test/a"/><g:price>3 EUR</g:price></entry></feed>"""


def test_google_merchant_as_rss_gzipped_and_as_atom(importing: Importing) -> None:
    job = importing.run("products", gzip.compress(GOOGLE.encode()), origin="google")
    assert (job.rows_created, job.rows_failed) == (2, 0)
    product = stored(importing, "A")
    assert (product.name, product.description) == ("Kettle\xa0“Red”", "Boils <b>fast</b>")
    assert (str(product.price), product.old_price, product.currency) == ("19.9900", 25, "USD")
    assert (product.group_external_id, product.category_external_id) == ("K", "Home > Kitchen")
    assert product.attributes["color"] == "red"
    assert stored(importing, "B").is_available is False
    with importing.scope():
        assert ("Home > Kitchen", "Kitchen", "Home") in Category.objects.values_list(
            "external_id", "name", "parent_external_id"
        )
    assert importing.run("products", ATOM.encode(), origin="atom").rows_updated == 1
    assert (stored(importing, "A").url, stored(importing, "A").currency) == ("https://shop.test/a", "EUR")


def test_bad_offers_are_kept_with_their_reason_and_never_stop_the_good_ones(importing: Importing) -> None:
    bad = [
        offer(1),
        "<offer id='2'><name>Cut & dried</name><price>5</price></offer>",
        "<offer id='3'><name>No price</name></offer>",
        offer(4, price="free"),
        offer(5, price=-1),
        offer(1, price=9),
        "<offer id='6'><name>Open<price>5</price></offer>",
        "<offer><name>Nobody</name><price>5</price></offer>",
        offer(7),
    ]
    importing.run("products", yml(*(offer(n) for n in range(1, 8))), origin="main")
    job = importing.run("products", yml(*bad), origin="main")
    assert job.status == JobStatus.DONE
    with importing.scope():
        errors = {item["row"] - 2: item["code"] for item in list_errors(job.id, limit=50)[0]}
    assert errors == {
        2: "broken_xml", 3: "no_price", 4: "not_a_number", 5: "negative_price", 6: "duplicate_id", 7: "broken_xml",
        8: "no_product_id",
    }  # fmt: skip
    assert stored(importing, "7").is_withdrawn is False
    assert stored(importing, "3").is_withdrawn is False


def test_what_a_feed_lacks_is_withdrawn_unless_it_is_too_much(importing: Importing) -> None:
    importing.run("products", yml(*(offer(n) for n in range(10))), origin="main")
    importing.run("products", yml(offer("other")), origin="other")
    second = importing.run("products", yml(offer(0, 1000), offer(1, 1600), offer(2, stock=0), *map(offer, range(3, 9))),
                           origin="main")  # fmt: skip
    assert second.entities["products_withdrawn"] == 1
    assert stored(importing, "9").is_available is False
    assert stored(importing, "other").is_withdrawn is False
    assert changes(importing) == [("0", "price_drop"), ("1", "price_rise"), ("2", "out_of_stock"), ("9", "withdrawn")]
    with importing.scope():
        drop = ProductChange.objects.get(kind="price_drop")
    assert (drop.previous_price, drop.price, float(drop.percent or 0)) == (1500, 1000, -33.33)

    with pytest.raises(KapelleError) as caught:
        importing.run("products", yml(offer(0, 900)), origin="main")
    assert caught.value.code == "feed_shrunk"
    assert (stored(importing, "0").price, stored(importing, "5").is_withdrawn) == (900, False)

    back = importing.run("products", yml(offer(9), *map(offer, range(8))), origin="main")
    assert ("9", "back_in_stock") in changes(importing)
    assert importing.undo(back).report["kept"] == []
    assert stored(importing, "9").is_withdrawn is True


@pytest.mark.parametrize(
    "declared",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>',
        '<!DOCTYPE x [<!ENTITY file SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE x [<!ENTITY % more SYSTEM "http://127.0.0.1:1/x.dtd"> %more;]>',
    ],
)
def test_entities_are_refused_whatever_they_hold(importing: Importing, declared: str) -> None:
    text = f"<?xml version='1.0'?>{declared}<yml_catalog><shop><offers><offer id='1'><name>&a;&file;</name></offer>"
    with pytest.raises(NotReadable, match="entity"):
        importing.prepare("products", (text + "</offers></shop></yml_catalog>").encode())


@pytest.mark.parametrize("text", [yml(offer(1))[:-60], gzip.compress(yml(offer(1)) * 1)[:-9], b"<rss></rss>", b"<?xml"])
def test_a_feed_that_breaks_off_withdraws_nothing(importing: Importing, text: bytes) -> None:
    importing.run("products", yml(offer(1), offer(2)), origin="main")
    with pytest.raises(NotReadable):
        importing.run("products", text, origin="main")
    assert stored(importing, "2").is_withdrawn is False


def test_a_large_feed_is_read_in_steady_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.xml"
    with path.open("wb") as file:
        file.write(YML_HEAD.encode("windows-1251"))
        for start in range(0, 20_000, 1000):
            file.write("".join(offer(n) for n in range(start, start + 1000)).encode("windows-1251"))
        file.write(YML_TAIL.encode())
    assert detect_format(path).encoding == "xml"
    tracemalloc.start()
    with FeedFile(path, Row) as feed:
        count = sum(1 for row in feed if row.cells[0])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000
    assert peak < 3_000_000
