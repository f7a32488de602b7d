"""Privacy neurons in the manner of DEPN, on planted secrets."""
