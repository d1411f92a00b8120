"""Process 1 before the exec: reads Settings and Facts, makes a plan from them, and carries it out."""
