"""Process 1 before the exec: environment to Settings and Facts, those to a Plan, the Plan to effects."""
