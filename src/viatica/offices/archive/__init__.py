"""Files kept by their content, and the pictures shown of them."""
