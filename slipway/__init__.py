"""Slipway: data lands, the model is launched, its outputs are delivered in place.

Everything directly in this package is pure: functions of data to data, tested without a server. What talks to Azure
lives in `slipway.azure`, what tells people lives in `slipway.sinks`, the command line in `slipway.cli`.
"""
