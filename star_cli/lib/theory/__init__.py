"""The RL-STaR mathematics (Chang et al. 2024, arXiv 2410.23912), derived in docs/theory.md.

closed_form  accuracy, one round and whole trajectories from one number per step
conventions  the two ways that number (delta) is written, and its valid range
criterion    whether a starting point can improve at all, and why
temperature  the same where sampling and evaluation have temperatures of their own
tables       transition tables and ground truths: shapes, checks, the one-parameter family
tabular      the same round exactly, for any tables and any ground truth
sampled      trajectories drawn from tables
states       the states of the zip task as texts and as numbers
policy       transition tables as a language model of the zip task
"""
