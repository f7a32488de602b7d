"""One module a command: read options, call the step, tell what came out."""
