#!/bin/sh
# Keys in /etc/warren and the state in /var/lib/warren stay: what an RPM does not own it does not delete.
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || :
	if [ "$1" -ge 1 ]; then
		systemctl try-restart warrend.service || :
	fi
fi
