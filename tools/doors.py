"""An import-linter contract: a module is entered only through its doors (contracts, queries, actions)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from importlinter import Contract, ContractCheck, fields, output

if TYPE_CHECKING:
    from grimp import ImportGraph

_DEPTH_INSIDE_MODULE = 3  # kapelle.<module>.<file>


class DoorsContract(Contract):
    """Every import that crosses a module's border must end at one of the doors, or at an open module."""

    type_name = "doors"

    doors = fields.ListField(subfield=fields.StringField())
    open_modules = fields.ListField(subfield=fields.StringField())
    open_to = fields.ListField(subfield=fields.StringField())
    wire_open_to = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Collect the imports that come in through a wall."""
        broken = [
            (importer, imported)
            for importer in sorted(graph.modules)
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if imported.startswith("kapelle.") and not self._allowed(importer, imported)
        ]
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def _allowed(self, importer: str, imported: str) -> bool:
        source, target = importer.split("."), imported.split(".")
        if len(source) > 1 and source[1] == target[1]:
            return True
        if target[1] in self.open_modules or (len(source) > 1 and source[1] in self.open_to):
            return True
        if len(target) < _DEPTH_INSIDE_MODULE:
            return False
        # A channel is a module inside a folder: channels.email.actions is a door as well.
        names = target[2:4]
        if any(name in self.doors for name in names):
            return True
        return "wire" in names and len(source) > 1 and source[1] in self.wire_open_to

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print each import that is not allowed."""
        for importer, imported in check.metadata["broken"]:
            output.print_error(f"{importer} imports {imported}: come in by {', '.join(self.doors)} instead.")
