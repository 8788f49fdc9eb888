"""The managed-identity endpoint and the tokens it gives."""
