"""Manifests of Compose, Swarm and Kubernetes, checked against what the containers in them do: `check --manifest`.

`documents` reads the files, `compose` and `kubernetes` find the containers in them, `evaluated` reads the settings of
each by the same parsing as at its boot. `mistakes` and `migrations` compare all that.
"""
