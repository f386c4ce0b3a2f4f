#!/bin/bash
# The guest's first process. Argument: the kernel's modules. The guest has no network of its own: a control port,
# which guest.py speaks to, and ports that become FRR nodes' underlay.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
mkdir -p /lib/modules
mount --bind "$1" /lib/modules
modprobe --all ip_gre fou veth dummy nf_tables nft_log nfnetlink_log nft_limit

# The last byte of an address tells which port it is (guest.py): 0 is the control port.
for device in /sys/class/net/eth*; do
	number=$((16#$(cut -d: -f6 "$device/address")))
	[ $number = 0 ] && name=control || name=port$number
	ip link set "${device##*/}" down name "$name"
done
ip link set lo up
ip address add 169.254.0.2/30 dev control
ip link set control up

python3 "$(dirname "$0")/guest_agent.py"
echo "the agent has ended" >/dev/console
