"""The RL-STaR mathematics (Chang et al. 2024, arXiv 2410.23912), derived in docs/theory.md.

closed_form  accuracy, one round and whole trajectories from one number per step
conventions  the two ways that number (delta) is written, and its valid range
criterion    whether a starting point can improve at all, and why
temperature  the same where sampling and evaluation have temperatures of their own
tables       transition tables and ground truths: shapes, checks, the one-parameter family
limits       where self-training ends, and how fast it gets there
tabular      the same round exactly, for any tables and any ground truth
predict      a prediction from deltas or tables, at any temperature, from any initial distribution
files        tables, ground truths and initial distributions from .npy and .json
sampled      trajectories drawn from tables
states       the states of the zip task as texts and as numbers
policy       transition tables as a language model of the zip task
"""
