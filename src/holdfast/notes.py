"""Notes, a level of logging between INFO and WARNING.

A warning reports something that can make a figure or a checkpoint wrong, or that delivers less than the options ask
for, so somebody should look. A note explains how something was read or compared, and needs no action. Commands print
each once, with `holdfast: note:` or `holdfast: warning:` in front. A script shows notes by
`logging.basicConfig(level=holdfast.notes.NOTE)`.
"""

import logging

NOTE = 25
"""The logging level of notes, above INFO and below WARNING."""
logging.addLevelName(NOTE, "NOTE")
