"""Whom we may not write to: suppressed and unsubscribed addresses. (Consent and purposes come later.)"""
