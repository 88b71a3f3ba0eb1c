"""Speed and memory, as ratios measured in one run (`python -m benchmarks`), and parity with the original (`-m benchmarks.parity`)."""
