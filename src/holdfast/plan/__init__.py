"""What a run will need, predicted from configs alone."""
