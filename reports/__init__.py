"""What a person sees of a run. Everything here is a pure function of run.json."""
