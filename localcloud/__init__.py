"""A local Azure for desks, demos and tests: Functions host, lake, Azure ML, Event Grid and identity in one command.

It knows nothing of the app it runs: it loads any Python Functions app from its folder and serves the documented
protocols to the unmodified Azure SDKs. What it does not support it refuses by name.
"""
