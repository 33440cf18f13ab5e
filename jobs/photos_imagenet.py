"""Photographs: a folder of images with hand-drawn boxes, explained by an ImageNet Swin or a model of your own."""

from igbatch.cli import run_script

if __name__ == "__main__":
    run_script(__file__)
