"""What the columnar server and its clients agree on: where the address and the token stand, and the database's name."""

ADDRESS_FILE = "columnar.json"
TOKEN_FILE = "columnar-token"  # noqa: S105  # a file's name
DATABASE = "kapelle"
