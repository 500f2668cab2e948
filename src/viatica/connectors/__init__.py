"""Outside systems, one folder each. `http.py` alone speaks to the network; `registry.py` knows who is installed."""
