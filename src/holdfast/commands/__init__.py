"""Commands, one module each: a command reads its options, calls the step and prints the result."""
