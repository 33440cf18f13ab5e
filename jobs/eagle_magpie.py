"""The original experiment: eagles and magpies, a trained Swin and two with random parameters."""

from igbatch.cli import run_script

if __name__ == "__main__":
    run_script(__file__)
