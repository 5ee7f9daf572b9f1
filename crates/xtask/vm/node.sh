#!/bin/bash
# The only service of the machine that `cargo xtask e2e --vm` starts: makes it fit for a kubelet, runs the suite
# and turns it off.
exec > /dev/console 2>&1
cd /opt/e2e
modprobe overlay
# A kubelet wants a default route, and an address that is not the loopback's. Nothing is ever sent there.
modprobe dummy
ip link set lo up
ip link add node type dummy
ip address add 192.0.2.2/24 dev node
ip link set node up
ip route add default via 192.0.2.1
# A kubelet wants a processor's clock speed, of which this kernel tells none.
cp -r /sys/devices/system/cpu/. /run/cpu 2> /dev/null
mkdir -p /run/cpu/cpu0/cpufreq
echo 2000000 > /run/cpu/cpu0/cpufreq/cpuinfo_max_freq
mount --bind /run/cpu /sys/devices/system/cpu
# What is denied is looked for in the log, which would leave out what comes fast.
echo 0 > /proc/sys/kernel/printk_ratelimit
echo "vm: Linux $(uname -r), $(cat /sys/kernel/security/lsm), cgroup v2 with $(cat /sys/fs/cgroup/cgroup.controllers)"
[ ! -e /sys/fs/selinux/enforce ] || echo "vm: SELinux, enforcing: $(cat /sys/fs/selinux/enforce), as $(id -Z)"
dmesg --follow | grep --line-buffered -E 'apparmor="DENIED"|avc: +denied' &
./aliquot-e2e --binaries bin --programs programs --sim sim --smi smi --helm ./helm --chart chart \
    --samples samples --patience 4 --only "$(cat only)"
echo "vm: the suite ended with $?"
sync
systemctl poweroff --force
