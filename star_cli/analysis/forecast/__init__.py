"""What to expect of a run before any fine-tuning, from one cheap pilot of its base model (docs/forecast.md).

pilot     the base's samples on some training problems, as ordinary artifacts
chain     tasks whose steps are known: RL-STaR's theory, carried through with all its uncertainty
mixture   all others: pass rates by group of problems, and a law of learning calibrated on runs
result    the forecast itself: rounds with 80 % bands, the advice, what was assumed; and how good it turned out
"""
