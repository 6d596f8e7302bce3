"""Judging rationales: one by one or in worker processes, now or while text is being written."""
