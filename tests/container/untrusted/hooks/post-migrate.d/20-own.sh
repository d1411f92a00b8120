#!/bin/sh
/opt/record own-post-migrate-hook
