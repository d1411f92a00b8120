/opt/record own-hook
