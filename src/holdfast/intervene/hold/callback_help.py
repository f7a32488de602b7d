"""Makes `help` of a callback show what a script calls, and not the hooks, which the trainer calls."""

from transformers import TrainerCallback


class CallbackKind(type):
    """Class of callbacks whose hooks `help` and completion on the class leave out. The trainer still finds them."""

    def __dir__(cls) -> list[str]:
        return [name for name in super().__dir__() if name == "__init__" or not hasattr(TrainerCallback, name)]
