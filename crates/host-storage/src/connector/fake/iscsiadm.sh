#!/bin/sh
# What open-iscsi does to records and sysfs. `fail` says which call ends how: NUMBER STATUS WHEN (before or after its work).
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
echo "iscsiadm $*" >>"$root/told"
calls=$(grep -c ^iscsiadm "$root/told")
number= status= when=
[ ! -e "$root/fail" ] || read -r number status when <"$root/fail" || true
failing() { [ "$number" = "$calls" ] && [ "$when" = "$1" ]; }
! failing before || exit "$status"
[ "$1 $2 $3 $5 $7 $8" = "-m node -T -p -I default" ] || exit 7
target=$4 portal=$6
address=${portal%:*} port=${portal##*:}
n=${address##*.}
record="$root/var/lib/iscsi/nodes/$target/$address,$port"
shift 8
case "$*" in
"--op new")
    mkdir -p "${record%/*}"
    printf '# BEGIN RECORD 2.1.11\nnode.name = %s\nnode.startup = automatic\n# END RECORD\n' "$target" >"$record" ;;
"--op delete")
    [ -e "$record" ] || exit 21
    rm "$record"; rmdir "${record%/*}" 2>/dev/null || true ;;
--login)
    [ -e "$record" ] || exit 21
    cp "$record" "$root/record-at-login"
    ls -l "$record" | cut -c1-10 >"$root/mode-at-login"
    [ ! -e "$root/sys/class/iscsi_session/session$n" ] || exit 15
    device="$root/sys/devices/platform/host$n/session$n"
    mkdir -p "$device/connection$n:0" "$device/iscsi_session/session$n" "$root/sys/class/scsi_host/host$n"
    session="$device/iscsi_session/session$n"
    echo "$target" >"$session/targetname"; echo LOGGED_IN >"$session/state"; echo 0 >"$session/target_id"
    ln -s "$device" "$session/device"
    : >"$root/sys/class/scsi_host/host$n/scan"
    mkdir "$root/sys/class/iscsi_connection/connection$n:0"
    echo "$address" >"$root/sys/class/iscsi_connection/connection$n:0/persistent_address"
    echo "$port" >"$root/sys/class/iscsi_connection/connection$n:0/persistent_port"
    ln -s "$session" "$root/sys/class/iscsi_session/session$n" ;;
--logout)
    [ -e "$root/sys/class/iscsi_session/session$n" ] || exit 21
    rm -r "$root/sys/class/iscsi_session/session$n" "$root/sys/class/iscsi_connection/connection$n:0"
    rm -r "$root/sys/class/scsi_host/host$n" "$root/sys/devices/platform/host$n" ;;
*) exit 7 ;;
esac
! failing after || exit "$status"
