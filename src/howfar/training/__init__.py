"""Training of segmenters on Lightning: examples, losses, schedules, and checkpoints that resume and can be traced."""
