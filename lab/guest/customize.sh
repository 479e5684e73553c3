#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Run by mmdebstrap with the new root as its argument, after all packages are in.
set -eu
root=$1
cp -a "$(dirname "$0")/rootfs/." "$root/"
chown -R 0:0 "$root/etc/systemd" "$root/etc/ssh/sshd_config.d" "$root/usr/lib/riptides-lab"
rm -f "$root"/etc/ssh/ssh_host_*
: >"$root/etc/machine-id"
# The only authority this machine ever meets is the lab's: leave the public ones out of its trust store.
sed -i 's/^[^#!]/!&/' "$root/etc/ca-certificates.conf"
chroot "$root" sh -eu <<'IN'
update-ca-certificates --fresh >/dev/null
useradd --uid 1001 --create-home --shell /bin/sh agent
useradd --uid 1002 --create-home --shell /bin/sh other
systemctl --quiet enable systemd-networkd.service systemd-networkd-wait-online.service ssh.service openai-api.socket riptides-lab-identity.service
systemctl --quiet disable apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer remote-fs.target getty@tty1.service
systemctl --quiet mask serial-getty@ttyS0.service serial-getty@ttyS1.service sshd-keygen.service
IN
