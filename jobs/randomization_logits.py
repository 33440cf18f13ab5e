"""The tests against a null of random models, on logits."""

from igbatch.cli import run_script

if __name__ == "__main__":
    run_script(__file__)
