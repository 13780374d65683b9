"""The e-mail channel: accounts, MIME, delivery by SMTP."""
