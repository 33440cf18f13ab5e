"""How many boxes a study has, and what became of others: for the plan, the run and the report."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class BoxCounts:
    """Counts of the boxes that a file has on a study's images.

    Attributes:
        boxes: that are four numbers and have an extent; crowd regions only where the study keeps them.
        images: that have any of these.
        study_images: images of the study.
        unknown_images: images that the file names and the study does not have.
        crowd: regions of many objects, which are left out.
        unusable: boxes that are no four numbers or have no extent, which are skipped.
        outside: of `boxes`, those further outside their image than a pixel, which are skipped.
        clipped: of `boxes`, those that reach up to a pixel outside, and are clipped.
        duplicates: of `boxes`, those that repeat one before: same image, label and edges.
        within: of `boxes`, others that lie within one of their label in their image.
        overlapping: images in which boxes of one label overlap in part, so that their sums cannot be added.
        unchecked: of `boxes`, those on images whose size is not known before they are read.
    """

    boxes: int
    images: int
    study_images: int
    unknown_images: int = 0
    crowd: int = 0
    unusable: int = 0
    outside: int = 0
    clipped: int = 0
    duplicates: int = 0
    within: int = 0
    overlapping: int = 0
    unchecked: int = 0

    def record(self) -> dict[str, int]:
        """Return the counts as `study.json` keeps them."""
        return asdict(self)

    def words(self) -> str:
        """Return all counts that are not nought in a line."""
        images = "image" if self.study_images == 1 else "images"
        parts = [f"{_boxes(self.boxes)} on {self.images:,} of {self.study_images:,} {images}"]
        if self.unknown_images:
            are = "is" if self.unknown_images == 1 else "are"
            parts.append(f"{self.unknown_images:,} of the file's images {are} not in the study")
        parts += self.exceptions()
        if self.unchecked:
            parts.append(f"{_boxes(self.unchecked)} will be checked as the images are read")
        return "; ".join(parts)

    def exceptions(self) -> list[str]:
        """Return which boxes are not taken as they are, or cannot be added, a part of a sentence each."""
        parts = (
            (self.crowd, "1 crowd region is left out", "{:,} crowd regions are left out"),
            (self.unusable, "1 box without extent or numbers is skipped",
             "{:,} boxes without extent or numbers are skipped"),
            (self.outside, "1 box outside its image is skipped",
             "{:,} boxes outside their images are skipped"),
            (self.clipped, "1 box reaches up to a pixel outside its image and is clipped",
             "{:,} boxes reach up to a pixel outside their images and are clipped"),
            (self.duplicates, "1 box repeats another, whose pixels count once in sums over their label",
             "{:,} boxes repeat others, whose pixels count once in sums over their label"),
            (self.within, "1 box lies within another of its label, whose pixels count once",
             "{:,} boxes lie within others of their label, whose pixels count once"),
            (self.overlapping,
             "1 image whose boxes of a label overlap in part is left out of that label's means",
             "{:,} images whose boxes of a label overlap in part are left out of that label's means"),
        )  # fmt: skip
        return [one if number == 1 else several.format(number) for number, one, several in parts if number]


def _boxes(number: int) -> str:
    return f"{number:,} {'box' if number == 1 else 'boxes'}"
