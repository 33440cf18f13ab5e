"""What igbatch keeps: Arrow schemas, the shard writer and its commit, and the reader of committed rows."""
