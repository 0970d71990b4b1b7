"""The verbs: what happens, in order. Only flows commit writes."""
