#!/usr/bin/env bash
# A SLURM of one node, this machine, to try profiles/slurm: `one_node_slurm.sh start FOLDER`, `stop
# FOLDER`. The folder holds its state, logs and pid files. Needs root, and Debian's packages:
# apt-get install slurm-wlm munge. It writes /etc/slurm/slurm.conf, so keep it off real clusters.
set -euo pipefail
command="${1:?start or stop}"
folder="$(realpath -m "${2:?a folder for its state}")"
conf=/etc/slurm/slurm.conf

stop() {
  for daemon in slurmd slurmctld munged; do
    if [ -f "$folder/$daemon.pid" ]; then
      kill "$(cat "$folder/$daemon.pid")" 2>/dev/null || true
      rm -f "$folder/$daemon.pid"
    fi
  done
  if [ -f "$conf" ] && grep -q "^StateSaveLocation=$folder/" "$conf"; then
    rm "$conf"
  fi
}

start() {
  if [ -e "$conf" ]; then
    echo "$conf exists: this machine belongs to a cluster, or stop was forgotten" >&2
    exit 1
  fi
  mkdir -p "$folder/state" "$folder/spool" /etc/slurm /run/munge
  chown munge: /run/munge
  if [ ! -s /etc/munge/munge.key ]; then
    dd if=/dev/urandom of=/etc/munge/munge.key bs=1024 count=1 status=none
    chown munge: /etc/munge/munge.key
    chmod 400 /etc/munge/munge.key
  fi
  # The packages may have started one already.
  if ! munge -n 2>/dev/null | unmunge >/dev/null 2>&1; then
    runuser -u munge -- munged
    cp /run/munge/munged.pid "$folder/"
  fi
  # A job knows no other place of this file.
  cat >"$conf" <<EOF
ClusterName=one
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
SlurmctldPort=16817
SlurmdPort=16818
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)
PartitionName=main Nodes=$(hostname -s) Default=YES
EOF
  slurmctld
  slurmd
  for _ in $(seq 30); do
    if sinfo --noheader --format %t 2>/dev/null | grep -qx idle; then
      exit 0
    fi
    sleep 1
  done
  echo "the node is not idle after 30 s: see $folder/slurmctld.log" >&2
  stop
  exit 1
}

"$command"
