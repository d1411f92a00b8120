#!/bin/sh
/opt/record own-pre-stop-hook
