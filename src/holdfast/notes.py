"""Notes, a level of logging between information and warnings.

A warning tells of what can make a figure or a checkpoint wrong, or less than was asked for, so that somebody looks.
A note tells how something was read or compared, and asks for nothing. Commands begin one with `holdfast: note:` and the
other with `holdfast: warning:`, each once. A script shows notes by `logging.basicConfig(level=holdfast.notes.NOTE)`.
"""

import logging

NOTE = 25
"""The level: above INFO, below WARNING."""
logging.addLevelName(NOTE, "NOTE")
