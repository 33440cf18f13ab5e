"""The randomization study: cascades, independent blocks, and a null of random models."""

from igbatch.cli import run_script

if __name__ == "__main__":
    run_script(__file__)
