"""A night: the study is run below a root of nights and audited against nights before it."""

from igbatch.cli import run_nightly_script

if __name__ == "__main__":
    run_nightly_script(__file__)
