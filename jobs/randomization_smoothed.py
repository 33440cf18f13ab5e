"""The smooth randomization test: maps averaged over noisy copies."""

from igbatch.cli import run_script

if __name__ == "__main__":
    run_script(__file__)
