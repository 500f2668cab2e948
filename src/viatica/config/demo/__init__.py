"""The demo company 行远科技: made from nothing, the same each time, through the product's own services."""
