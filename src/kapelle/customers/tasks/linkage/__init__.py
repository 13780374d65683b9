"""A program of its own that looks for records of the same person: customers in, scored pairs out.

Only this package may load splink and DuckDB, and it is only run as `python -m kapelle.customers.tasks.linkage`, so that
no other process of Kapelle carries them. It knows no Django, no database and no workspace.
"""
