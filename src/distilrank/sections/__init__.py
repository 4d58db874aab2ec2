"""What one writes in params.yaml of one thing: typed, with ranges; unknown keys are refused."""
