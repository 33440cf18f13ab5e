"""A test of what readers can tell from maps: questions of a study, answers, and what they show.

`igbatch quiz` makes an offline page of questions whose answers the study knows, and `igbatch quiz-results`
reads the files of answers that readers send back.
"""
