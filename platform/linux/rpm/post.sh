#!/bin/sh
# The unit is left disabled: there is no network before somebody has configured one.
systemd-sysusers warren.conf || :
systemd-tmpfiles --create warren.conf || :
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || :
fi
