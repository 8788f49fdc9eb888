"""A local Azure Machine Learning workspace: its REST API, and command jobs run as real processes on this machine."""
