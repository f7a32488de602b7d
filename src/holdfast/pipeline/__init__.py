"""Composes the stages on files, in their order. No stage imports another one."""
