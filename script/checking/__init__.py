"""The independent check: what the emulated systems hold against what the console's tables say."""
