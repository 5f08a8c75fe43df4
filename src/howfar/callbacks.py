"""Export `Howfar`, the training callback (Lightning, Ultralytics, own loops) that saves a file to score new images with."""

from howfar.integrations.training_callback import Howfar as Howfar
