"""Document functions that declare their options by `with_options` with every option, its default and its help."""

from __future__ import annotations

import inspect
from importlib import import_module
from operator import attrgetter
from typing import Any

import griffe


class OptionSignatures(griffe.Extension):
    """Read the signature and docstring of such a function from the running code, since its source has neither in full."""

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:
        """Replace both."""
        if not any("with_options(" in str(decorator.value) for decorator in func.decorators):
            return
        within = func.path.removeprefix(f"{func.module.path}.")
        shown = attrgetter(within)(import_module(func.module.path))
        func.parameters = griffe.Parameters(*(parameter(one) for one in inspect.signature(shown).parameters.values()))
        # A docstring without the page's parser is shown as plain text, in which lists of examples look like links.
        how = (
            {} if func.docstring is None else {"parser": func.docstring.parser, "parser_options": func.docstring.parser_options}
        )
        func.docstring = griffe.Docstring(inspect.getdoc(shown) or "", parent=func, **how)


def parameter(one: inspect.Parameter) -> griffe.Parameter:
    default = None if one.default is one.empty else repr(one.default)
    return griffe.Parameter(
        one.name, annotation=str(one.annotation), kind=griffe.ParameterKind(one.kind.description), default=default
    )
