"""The demonstration: real data lands, three real models run, their outputs are published."""
