"""Outside systems as real servers, for tests, demos and training. They know nothing of the product."""
