"""Whether trained models still predict what they did: classes, and probabilities of the targets."""

from __future__ import annotations

import numpy as np

from igbatch.audit.checks.base import Question, short
from igbatch.audit.pairs import Floats, VariantPair
from igbatch.audit.verdict import Part
from igbatch.results import StudyResults


class Predictions(Question):
    """Images of trained variants whose predicted class is another one."""

    name = "predictions"
    title = "Predicted classes changed"
    compared = "The predicted class of each image, of each trained variant: the share that changed."
    unit = "of the images"

    def add(self, pair: VariantPair) -> None:
        if not pair.trained:
            return
        now, before = (np.fmax.reduce(rows["prediction_index"], axis=1) for rows in (pair.now, pair.before))
        both = ~np.isnan(now) & ~np.isnan(before)
        n = int(both.sum())
        if not n:
            return
        changed = both & (now != before)
        self.part(pair.variant_id, float(changed.sum() / n), n=n)
        certainty = np.fmax.reduce(pair.now["prediction_probability"], axis=1)
        names = [_class_names(study, pair.model) for study in self.pairing.studies]

        def words(at: int) -> str:
            one, other = int(now[at]), int(before[at])
            return f"now {names[0].get(one, one)}, was {names[1].get(other, other)}"

        self.blame(np.where(changed, certainty, np.nan), None, words, variant_id=pair.variant_id)

    def words(self, worst: Part) -> str:
        """Say what was found."""
        n = worst.n or 0
        changed = round((worst.figure or 0.0) * n)
        return f"{worst.name}: {changed:,} of {n:,} images are predicted as another class."


class Probabilities(Question):
    """The typical change of a target's probability."""

    name = "probabilities"
    title = "Probabilities changed"
    compared = (
        "The probability of each target, of each trained variant, image by image: the mean absolute change."
    )
    unit = "of probability"
    measure = "on average"

    def add(self, pair: VariantPair) -> None:
        if not pair.trained:
            return
        now, before = pair.now["target_probability"], pair.before["target_probability"]
        for target, name in enumerate(self.pairing.targets):
            self._compare(pair.variant_id, name, now[:, target], before[:, target])

    def _compare(self, variant_id: str, target: str, now: Floats, before: Floats) -> None:
        def words(at: int) -> str:
            return f"{short(now[at])}, was {short(before[at])}"

        change = np.abs(now - before)
        told = ~np.isnan(change)
        if told.any():
            means = {"now": float(now[told].mean()), "before": float(before[told].mean())}
            name = f"{variant_id}, {target}"
            self.part(name, self.figure_of(change[told]), **means, n=int(told.sum()))
            self.blame(change, None, words, variant_id=variant_id, target=target, least=self.threshold)

    def figure_of(self, change: Floats) -> float:
        """Return the figure of absolute changes [n]."""
        return float(change.mean())

    def words(self, worst: Part) -> str:
        """Say what was found."""
        return (
            f"{worst.name}: the probability moved by {short(worst.figure)} {self.measure}; its mean is "
            f"{short(worst.now)}, {short(worst.before)} before."
        )


class LargestProbability(Probabilities):
    """The largest change of a target's probability."""

    name = "largest_probability"
    title = "A probability changed much"
    compared = "The probability of each target, of each trained variant, image by image: the largest change."
    measure = "at most"

    def figure_of(self, change: Floats) -> float:
        """Return the figure of absolute changes [n]."""
        return float(change.max())


def _class_names(study: StudyResults, model: str) -> dict[int, str]:
    return {index: name for name, index in study.record["models"][model]["class_names"].items()}
