"""Fine-tuning itself: data, plan, loop, checkpoints, and several processes."""
