"""Template versions, the send ledger, the sender, tracking, receipts, the unsubscription pages."""
