"""Open weights on the operator's own device: how fast each step of the fast path makes them."""
