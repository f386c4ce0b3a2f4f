#!/bin/sh
# $1 is how many are left: 0 when it is removed, 1 in an upgrade.
if [ "$1" = 0 ]; then
	if [ -d /run/systemd/system ]; then
		systemctl --no-reload disable --now warrend.service || :
	else
		systemctl --no-reload disable warrend.service || :
	fi
fi
