"""The Ray stage: resolving a study, planning its shards, computing them on actors, resuming."""
