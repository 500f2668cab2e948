"""报销单: what was spent, line by line, from draft to paid."""
