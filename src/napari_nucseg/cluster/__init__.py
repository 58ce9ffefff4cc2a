"""Workers of dask.distributed: processes on this machine, or a cluster that is running."""
