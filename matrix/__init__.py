"""The pure core: what should be reachable, what was seen, what that means. No I/O, no clock."""
