"""What the columns of a file of orders can be mapped to."""

from __future__ import annotations

from kapelle.customers.actions.importing.drafts import IDENTIFIER_FIELDS, PROFILE_FIELDS
from kapelle.imports.contracts import FieldType, TargetField

T, N = FieldType.TEXT, FieldType.NUMBER
CUSTOMER_PROFILE = tuple(item for item in PROFILE_FIELDS if item.name in {"first_name", "last_name", "country", "city"})
PREFIX = "customer."

ORDER_FIELDS: tuple[TargetField, ...] = (
    TargetField(
        "order.external_id",
        T,
        "the shop's number of the order; rows with the same number are its lines",
        (
            "invoice",
            "invoiceno",
            "invoicenumber",
            "invoiceid",
            "order",
            "orderid",
            "orderno",
            "ordernumber",
            "basketid",
            "transactionid",
            "receipt",
            "receiptid",
            "заказ",
            "номерзаказа",
            "idзаказа",
            "чек",
            "номерчека",
            "счет",
        ),
        required=True,
    ),
    TargetField(
        "order.ordered_at",
        FieldType.DATETIME,
        "when it was ordered",
        (
            "invoicedate",
            "orderdate",
            "orderedat",
            "date",
            "datetime",
            "timestamp",
            "createdat",
            "purchasedate",
            "transactiontimestamp",
            "transactiondate",
            "дата",
            "датазаказа",
            "датапокупки",
            "датавремя",
        ),
        required=True,
    ),
    TargetField("order.status", T, "the order's status", ("status", "orderstatus", "state", "статус", "статусзаказа")),
    TargetField("order.currency", T, "three letters, such as EUR", ("currency", "currencycode", "валюта")),
    TargetField(
        "order.total",
        N,
        "the whole order before returns; the sum of the lines if there is no such column",
        ("ordertotal", "grandtotal", "totalamount", "суммазаказа", "итого"),
    ),
    TargetField(
        "order.status_at",
        FieldType.DATETIME,
        "since when it has the status; a newer one that is known stays",
        ("statusdate", "statusat", "updatedat", "датастатуса"),
    ),
    TargetField(
        "order.delivery_cost",
        N,
        "what the delivery costs",
        ("deliverycost", "delivery", "shipping", "shippingcost", "доставка", "стоимостьдоставки"),
    ),
    TargetField("order.tax", N, "taxes in the order", ("tax", "vat", "ндс")),
    TargetField("order.discount", N, "what was taken off the order", ("discount", "orderdiscount", "скидка")),
    TargetField("order.promo_code", T, "the code that was used", ("promocode", "coupon", "couponcode", "промокод")),
    TargetField(
        "order.payment_status", T, "paid, pending, ...", ("paymentstatus", "payment", "оплата", "статусоплаты")
    ),
    TargetField("order.channel", T, "online, offline or a word of your own", ("channel", "saleschannel", "канал")),
    TargetField("order.store", T, "where it was bought", ("store", "shop", "storeid", "storename", "магазин")),
    TargetField("order.attributes.*", T, "anything else about the order"),
    TargetField(
        "line.number",
        FieldType.INTEGER,
        "the line's number in its order; else lines are told apart by what they hold",
        ("linenumber", "lineno", "line", "position", "номерстроки", "позиция"),
    ),
    TargetField(
        "line.product_external_id",
        T,
        "the shop's id of the product",
        (
            "stockcode",
            "productid",
            "product",
            "sku",
            "itemid",
            "item",
            "article",
            "артикул",
            "товар",
            "idтовара",
            "кодтовара",
        ),
    ),
    TargetField(
        "line.name",
        T,
        "the product's name",
        ("description", "productname", "itemname", "title", "название", "наименование", "названиетовара"),
    ),
    TargetField(
        "line.quantity", N, "how many; negative is a return", ("quantity", "qty", "count", "количество", "колво")
    ),
    TargetField(
        "line.unit_price",
        N,
        "price of one",
        ("price", "unitprice", "itemprice", "priceperunit", "цена", "ценазаединицу"),
    ),
    TargetField(
        "line.total",
        N,
        "the line's sum, if it is not quantity times price",
        ("linetotal", "total", "amount", "sum", "salesvalue", "сумма", "стоимость"),
    ),
    TargetField("line.status", T, "the line's own status", ("linestatus", "itemstatus", "статуспозиции")),
    TargetField("line.discount", N, "what was taken off the line", ("linediscount", "itemdiscount", "скидкапозиции")),
    TargetField("line.attributes.*", T, "anything else about the line"),
    *(
        TargetField(
            f"{PREFIX}{item.name}",
            item.type,
            f"customer: {item.description}",
            (item.name.replace("_", ""), *(word for word in item.synonyms if word != "id")),
        )
        for item in (*IDENTIFIER_FIELDS.values(), *CUSTOMER_PROFILE)
    ),
    TargetField(f"{PREFIX}identifier.*", T, "customer: an identifier of a kind of your own"),
)
