"""Words every room uses: money, time, references, errors. No tables, no network, no Django."""
