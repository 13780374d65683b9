"""E-mail templates: MJML with Liquid, compiled once for a version and rendered for each recipient. Pure: no Django.

Links, the open pixel and the addresses of the unsubscription pages leave here as numbered marks (see `marks`);
messaging turns them into signed addresses.
"""

from kapelle.kernel.templates.compiling import Compiled, Parts, compile_template
from kapelle.kernel.templates.rendering import Rendered, Renderer
from kapelle.kernel.templates.syntax import TemplateInvalid

__all__ = ["Compiled", "Parts", "Rendered", "Renderer", "TemplateInvalid", "compile_template"]
