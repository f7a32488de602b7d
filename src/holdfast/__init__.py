"""holdfast finds the weights that carry a language model's safety, strengthens them, and protects them in fine-tuning.

`__init__.pyi` lists the names that scripts need. Each is imported when it is first used. The name `evaluate` is a
package, so its function is imported by `from holdfast.evaluate import evaluate`.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
