"""Makes help pages read the docstrings of each class of options from its source once, and not once for every page."""


def read_once() -> None:
    """Keeps what was read, for the rest of this process. Other processes can run this function from its source."""
    import functools

    from docstring_parser.attrdoc import AttributeDocstrings

    read = AttributeDocstrings.get_attr_docs
    known = functools.cache(lambda component: read(AttributeDocstrings(), component))
    AttributeDocstrings.get_attr_docs = lambda self, component: known(component)
