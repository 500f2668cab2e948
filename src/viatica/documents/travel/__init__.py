"""出差申请: a trip, asked for, approved, and later reported."""
