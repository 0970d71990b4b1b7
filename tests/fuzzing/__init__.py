"""Cases without end for a running server, and the judgement of each reply.

`make fuzz CASES=100000 SEED=7` runs them all; tests/api/test_fuzzing.py a few, every time.
"""
