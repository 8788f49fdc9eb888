"""Faults on purpose: rules that match points of the services, what they do there, and what they did."""
