"""`python -m kapelle.web.cli`, the same as `kapelle`."""

from kapelle.web.cli import main

main()
