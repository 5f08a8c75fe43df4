"""Train segmenters with Lightning: read examples, choose losses and schedules, resume, and save traceable checkpoints."""
