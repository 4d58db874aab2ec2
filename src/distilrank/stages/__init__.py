"""One file a stage: files in, files out."""
