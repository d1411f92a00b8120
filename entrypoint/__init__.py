"""The entrypoint of a single-container Django image: environment to plan, plan to boot, boot to supervision."""
