"""Reading a study: `igbatch.open_study(uri)`, for notebooks, scripts and the report alike."""

from igbatch.results.study_results import StudyResults, open_study
from igbatch.results.tables import ROW_COLUMNS

__all__ = ["ROW_COLUMNS", "StudyResults", "open_study"]
