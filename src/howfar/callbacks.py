"""Provide the callback that writes a profile when a training ends, for Lightning, Ultralytics and loops of one's own."""

from howfar.integrations.training_callback import Howfar as Howfar
