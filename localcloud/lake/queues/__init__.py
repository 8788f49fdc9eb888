"""Storage queues: messages with visibility, time to live and dequeue counts."""
