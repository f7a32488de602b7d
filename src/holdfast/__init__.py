"""holdfast finds the weights that carry a language model's safety, strengthens them, and protects them in fine-tuning.

`__init__.pyi` lists the names that scripts need. Each is imported when it is first used. The name `evaluate` is a
package that can be called. A type checker knows the function under `from holdfast.evaluate import evaluate`.
"""

from importlib import import_module

import lazy_loader

__version__ = "0.1.0"
_import_name, _names, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ = [*__all__, "evaluate"]


def __dir__() -> list[str]:
    """Lists all names that can be imported."""
    return [*_names(), "evaluate"]


def __getattr__(name: str) -> object:
    """Imports a name of the package. Raises AttributeError that suggests the nearest one if there is no such name."""
    if name == "evaluate":
        return import_module("holdfast.evaluate")
    try:
        return _import_name(name)
    except AttributeError:
        if name in __all__ or name.startswith("__"):
            raise
    from holdfast.spelling import meant

    known = meant(name, __all__, "help(holdfast) lists all names")
    raise AttributeError(f"module 'holdfast' has no attribute {name!r}; {known}.")
