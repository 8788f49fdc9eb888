"""What the HTTP API answers, as pydantic models: the OpenAPI document is made of them, and tests hold answers to them.

Times are ISO 8601 with a zone, runs and periods as `slipway.run` and `slipway.period` write them.
"""
