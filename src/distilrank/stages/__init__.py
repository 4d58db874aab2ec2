"""One file per stage: files in, files out."""
