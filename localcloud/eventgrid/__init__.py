"""Event Grid: system topics of storage and Azure ML, custom topics, subscriptions, delivery with retries."""
