"""The columnar store: the server that hosts it, the client that talks to it, and its DDL."""
