"""Few-shot examples as text files: blocks of ``Q:`` and ``A:``. Point at another file with task.shots=FILE."""
