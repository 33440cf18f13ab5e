"""The Ray room: resolving a study, planning its shards, computing them on actors, resuming."""
