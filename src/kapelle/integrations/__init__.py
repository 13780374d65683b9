"""Integrations: named operations, by which a brand's systems write what they know in their own words."""
