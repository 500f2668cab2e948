"""What every simulator stands on: a server, a gate that can misbehave on demand, a log of calls."""
