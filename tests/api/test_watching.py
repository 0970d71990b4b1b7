"""(being written by the helper of faults/test_killing.py and ledger/test_state_machine.py; the files you marked stay yours)"""
