"""What `make bench` measures: ratios taken side by side in one run. `tools/bench.py` runs them all."""
