"""`star view`: a local page on which runs, rationales and what changed between rounds can be looked at and labelled.

The server reads artifacts, journals and ledgers as they lie; it writes nothing but labels (report/label_files.py).
"""
