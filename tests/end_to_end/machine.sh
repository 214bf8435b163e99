# shellcheck shell=bash
# A machine to run systemd on: namespaces and a cgroup of its own over the files of this one, of which
# nothing is changed, no file, mount, port, process or setting of the kernel. Sourced behind common.sh;
# run, it is what goes on inside.
# shellcheck disable=SC2154 # dir, here and root are from there

machine_life=300 # seconds: it is gone then, whatever has become of the test
machine_path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
machine_units=/etc/systemd/system:/usr/local/lib/systemd/system

# ---- Inside ---------------------------------------------------------------------------------

# Another view of a folder: what is written there stays in the machine.
machine_lay() { # FOLDER LAYERS
    mkdir -p "$2/written" "$2/work" "$machine$1"
    mount -t overlay -o "lowerdir=$1,upperdir=$2/written,workdir=$2/work" overlay "$machine$1"
}

# As systemd expects of whoever starts it in a container (systemd.io/CONTAINER_INTERFACE).
machine_mount() {
    local node
    mount -t proc -o nosuid,nodev,noexec proc "$machine/proc"
    mount --bind "$machine/proc/sys" "$machine/proc/sys"
    mount -o remount,bind,ro "$machine/proc/sys"
    mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$machine/sys"
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$machine/sys/fs/cgroup"
    mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$machine/run"
    mount -t tmpfs -o mode=755,nosuid tmpfs "$machine/dev"
    for node in null zero full random urandom tty; do
        : >"$machine/dev/$node"
        mount --bind "/dev/$node" "$machine/dev/$node"
    done
    mkdir "$machine"/dev/{shm,pts}
    mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$machine/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts "$machine/dev/pts"
    ln -s pts/ptmx "$machine/dev/ptmx"
    ln -s /proc/self/fd "$machine/dev/fd"
}

# No units but the few that every service counts on, and the journal: nothing that this machine runs.
machine_furnish() {
    local units=$machine/etc/systemd/system
    rm -rf "$machine/etc/systemd" "$machine/etc/weir" "$machine/var/log/journal"
    mkdir -p "$units/sysinit.target.wants" "$units/sockets.target.wants"
    (cd /lib/systemd/system && cp sysinit.target basic.target sockets.target multi-user.target shutdown.target \
        network.target network-online.target systemd-journald.service systemd-journald.socket \
        systemd-journald-dev-log.socket "$units")
    ln -s ../systemd-journald.service "$units/sysinit.target.wants"
    ln -s ../systemd-journald.socket ../systemd-journald-dev-log.socket "$units/sockets.target.wants"
    : >"$machine/etc/machine-id"
    printf '127.0.0.1 localhost server\n' >"$machine/etc/hosts"
    grep -q '^redis:' "$machine/etc/group" || echo redis:x:64990: >>"$machine/etc/group"
}

# Begins as the first process of the namespaces, and becomes systemd.
machine_boot() { # FOLDER ROOT OF THE SOURCES
    local machine=$1/root
    set -e
    mount --make-rprivate /
    mount -t tmpfs -o mode=755 machine "$1"
    mkdir "$machine" "$1/none"
    machine_lay / "$1/layers/all"
    machine_lay "$2" "$1/layers/sources" # which may lie on a disk of their own
    machine_mount
    machine_furnish
    cd "$machine"
    mkdir -p mnt/before
    pivot_root . mnt/before
    umount -l mnt/before
    mount --make-rshared / # credentials reach services that way
    cd /
    printf 'systemd begins\n'
    exec env -i PATH="$machine_path" container=weir SYSTEMD_UNIT_PATH="$machine_units" SYSTEMD_GENERATOR_PATH=/none \
        SYSTEMD_ENVIRONMENT_GENERATOR_PATH=/none \
        /lib/systemd/systemd --system --unit=multi-user.target --log-target=journal --show-status=no
}

# ---- Outside --------------------------------------------------------------------------------

skip_all() { # WHY
    printf 'skipped: %s\n' "$1"
    exit 0
}

# Lives as long as the machine, keeps its journal, and takes away what else is left of it. A test that
# is ended ends all of its processes, and so all of this goes on whatever fails.
machine_keep() { # FOLDER
    local inner
    set +e
    exec 2>>"$machine_log"
    trap : TERM
    (
        trap - TERM
        printf '%s\n' "$BASHPID" >"$machine_cgroup/cgroup.procs" || exit 1
        exec timeout --signal=KILL "$machine_life" unshare --pid --fork --kill-child=KILL --mount --uts --ipc --net \
            --cgroup bash "$here/machine.sh" "$1" "$root"
    ) </dev/null >>"$machine_log" &
    inner=$!
    wait "$inner" # or a signal
    in_machine journalctl -o short-precise >"$dir/journal.log"
    kill -KILL -- "-$inner"
    await machine_swept
}

# Its processes take a moment to be gone.
machine_swept() {
    find "$machine_cgroup" -depth -type d -exec rmdir {} + 2>/dev/null
    [[ ! -d $machine_cgroup ]]
}

machine_begins() {
    grep -q '^systemd begins' "$machine_log" || ! kill -0 "$machine_keeper" 2>/dev/null
}

# Its first process, as this machine counts.
machine_init() {
    head -n 1 "$machine_cgroup/init.scope/cgroup.procs" 2>/dev/null
}

machine_runs() {
    [[ $(machine_init) ]] && in_machine systemctl is-active -q multi-user.target 2>/dev/null
}

in_machine() { # COMMAND...
    timeout "${patience:-60}" nsenter --all --target "$(machine_init)" \
        env -i PATH="$machine_path" LC_ALL=C.UTF-8 SYSTEMD_UNIT_PATH="$machine_units" SYSTEMD_PAGER= "$@"
}

machine_start() {
    local tool hierarchy own
    [[ $(id -u) -eq 0 ]] || skip_all 'only root can start a systemd'
    for tool in unshare nsenter findmnt systemctl journalctl /lib/systemd/systemd; do
        command -v "$tool" >/dev/null || skip_all "there is no $tool"
    done
    hierarchy=$(findmnt -rn -t cgroup2 -o TARGET | head -n 1) || true
    [[ $hierarchy ]] || skip_all 'there is no cgroup v2'
    own=$(sed -n 's/^0:://p' /proc/self/cgroup)
    machine_cgroup=$hierarchy${own%/}/weir-units-$$
    mkdir "$machine_cgroup" 2>/dev/null || skip_all "no cgroup can be made: $machine_cgroup"
    machine_log=$dir/machine.log
    mkdir "$dir/machine"
    : >"$machine_log"
    machine_keep "$dir/machine" &
    machine_keeper=$!
    children+=("$machine_keeper")
    await machine_begins || stop_with 'the machine neither begins nor gives up'
    grep -q '^systemd begins' "$machine_log" || skip_all "no machine can be made here: $(head -n 1 "$machine_log")"
    await machine_runs || stop_with "systemd does not come up: $(tail -n 3 "$machine_log")"
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
    machine_boot "$@"
fi
