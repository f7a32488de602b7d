"""holdfast finds the weights by which a language model holds on to its safety and holds them fast.

`__init__.pyi` lists the names that scripts need. Each is imported when it is first used. `evaluate` is a package of
that name: `from holdfast.evaluate import evaluate`.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
