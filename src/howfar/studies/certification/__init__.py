"""Certify a model's performance on a site from the labels of a few randomly drawn images, whatever the shift."""
