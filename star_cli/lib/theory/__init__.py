"""The RL-STaR mathematics (Chang et al. 2024, arXiv 2410.23912), derived in docs/theory.md.

closed_form  accuracy, one round, whole trajectories and resting places from one number per step
criterion    can a starting point start at all, and why
tabular      the same round exactly, for any tables and any ground truth
sampled      the same round with finitely many trajectories
"""
