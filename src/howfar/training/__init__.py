"""Train segmenters with Lightning: load images and masks, choose losses and schedules, resume, and make checkpoints."""
