"""Fine-tuning itself: recipe, data as token ids, plan of the batches, loop, checkpoints, several processes."""
