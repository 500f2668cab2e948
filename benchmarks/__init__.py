"""What the product does in a second, measured against its own PostgreSQL: `make bench`, `make bench BENCH=relay`."""
