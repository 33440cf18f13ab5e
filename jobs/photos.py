"""Photographs in a folder, with hand-drawn boxes, explained by the Swin that the study names."""

from igbatch.cli import run_script

if __name__ == "__main__":
    run_script(__file__)
