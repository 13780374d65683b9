"""The process that hosts the embedded columnar engine and answers ClickHouse's HTTP interface on loopback."""
