"""Callbacks: a message commits with the outcome, so that no crash can lose one."""

from safelight.webhooks.outbox import BELL, enqueue, forget

__all__ = ["BELL", "enqueue", "forget"]
