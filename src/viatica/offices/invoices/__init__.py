"""Invoices (发票): read, check, claim once across the company."""
