"""Writes of operations: their definitions, and what they do when they are called."""

from kapelle.integrations.actions.calling import call_operation, try_operation
from kapelle.integrations.actions.defining import (
    change_operation,
    create_operation,
    delete_operation,
    set_up_operations,
)

__all__ = [
    "call_operation",
    "change_operation",
    "create_operation",
    "delete_operation",
    "set_up_operations",
    "try_operation",
]
