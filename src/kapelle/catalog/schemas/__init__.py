"""The JSON of products, orders and product lists. Money is a decimal number as text."""
