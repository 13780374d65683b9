"""Reads of campaigns."""

from kapelle.campaigns.queries.campaigns import find_state, get_campaign, list_campaigns
from kapelle.campaigns.queries.report import read_report

__all__ = ["find_state", "get_campaign", "list_campaigns", "read_report"]
