"""连接: every outside system with one word of health, the path by which one is connected, and what stopped."""
