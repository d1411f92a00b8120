#!/bin/sh
/opt/record own-pre-migrate-hook
