#!/bin/sh
# multipathd and multipath. It runs if there is a file `multipathd`; `paths` is what it holds.
root=$(cd "$(dirname "$0")/../.." && pwd)
echo "${0##*/} $*" >>"$root/told"
[ -e "$root/multipathd" ] || exit 1
case "${0##*/} $*" in
"multipathd show daemon") echo "pid 1 idle" ;;
"multipathd add path "*) [ -e "$root/lazy" ] || echo "$3" >>"$root/paths" ;;
"multipath -f mpatha")
    # Somebody looks at it for a moment.
    if [ -e "$root/looked-at" ]; then rm "$root/looked-at"; exit 1; fi
    rm -f "$root/paths" ;;
"multipathd disablequeueing map mpatha" | "multipathd resize map mpatha" | "multipath -a "* | "multipath -w "*) ;;
*) exit 1 ;;
esac
