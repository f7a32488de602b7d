"""The stages composed: the one place that knows their order."""
