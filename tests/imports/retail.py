"""Rows in the columns of a well-known retail export."""

from __future__ import annotations

HEADER = "Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country\n"


def line(invoice: str, stock: str, quantity: int, price: str, *, day: int = 1, customer: str = "17850") -> str:
    return f"{invoice},{stock},Thing {stock},{quantity},2010-12-{day:02} 08:26:00,{price},{customer},United Kingdom\n"
