"""What finished runs say: compared at equal budgets, held against the theory, forecast, and graders set against each
other.
"""
