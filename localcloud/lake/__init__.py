"""The lake: ADLS Gen2 (DFS and Blob surfaces) and storage queues of one local account."""
