"""Context neurons in the manner of IRCAN, on MemoTrap."""
