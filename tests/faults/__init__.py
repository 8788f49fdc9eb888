"""A package, so that the fixtures that all its tests share end with the last of them."""
