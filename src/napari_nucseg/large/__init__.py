"""Images larger than memory: segmented block by block, with any number of workers, resumable."""
