#!/usr/bin/python3
"""A FUSE file system of a few directories, called as glusterfs is.

Source of the wire format: the kernel's linux/fuse.h, version 7.19 and later.
Volumes: `vol` serves, `silent` never answers, `lies` mounts another source, `fails` does not start,
`squash` lets nobody open a directory for reading.
"""
import ctypes
import os
import stat
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
flags = dict(a[2:].split("=", 1) for a in sys.argv[1:] if a.startswith("--") and "=" in a)
mountpoint, volume = sys.argv[-1], flags["volfile-id"].lstrip("/")
if volume == "fails":
    sys.exit("no such volume")
shown = {"lies": "truth"}.get(volume, volume)
source = f"{flags['volfile-server']}:/{shown}"
fd = os.open("/dev/fuse", os.O_RDWR)
data = f"fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other"
if libc.mount(source.encode(), mountpoint.encode(), b"fuse.glusterfs", 6, data.encode()) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))
if os.fork():
    os._exit(0)
os.setsid()
for descriptor in (0, 1, 2):
    os.dup2(os.open("/dev/null", os.O_RDWR), descriptor)

# Inode to name, parent, and attributes. 4 is a symbolic link out of the share.
TREE = {1: ("", 1), 2: ("data", 1), 3: ("inner", 2), 4: ("link", 1)}
ATTRIBUTES = {ino: [0, 0, stat.S_IFDIR | 0o755] for ino in TREE}
ATTRIBUTES[4][2] = stat.S_IFLNK | 0o777


def attributes(ino):
    uid, gid, mode = ATTRIBUTES[ino]
    return struct.pack("<QQQQQQIIIIIIIIII", ino, 0, 0, 0, 0, 0, 0, 0, 0, mode, 2, uid, gid, 0, 4096, 0)


def answer(unique, body=b"", error=0):
    os.write(fd, struct.pack("<IiQ", 16 + len(body), -error, unique) + body)


LOOKUP, FORGET, GETATTR, SETATTR, READLINK, STATFS = 1, 2, 3, 4, 5, 17
RELEASE, INIT, OPENDIR, READDIR, RELEASEDIR, DESTROY, BATCH_FORGET, SYNCFS = 18, 26, 27, 28, 29, 38, 42, 50
while True:
    try:
        request = os.read(fd, 1 << 20)
    except OSError:
        # Unmounted.
        os._exit(0)
    if volume == "silent":
        continue
    _, opcode, unique, ino = struct.unpack_from("<IIQQ", request)
    body = request[40:]
    if opcode == INIT:
        major, minor, readahead, _ = struct.unpack_from("<IIII", body)
        answer(unique, struct.pack("<IIIIHHIIHH8I", 7, 31, readahead, 0, 8, 6, 65536, 1, 0, 0, *[0] * 8))
    elif opcode == LOOKUP:
        name = body.rstrip(b"\0").decode()
        child = next((i for i, (n, p) in TREE.items() if n == name and p == ino and i != 1), None)
        if child is None:
            answer(unique, error=2)
        else:
            answer(unique, struct.pack("<QQQQII", child, 0, 0, 0, 0, 0) + attributes(child))
    elif opcode == GETATTR:
        answer(unique, struct.pack("<QII", 0, 0, 0) + attributes(ino))
    elif opcode == SETATTR:
        valid, mode, uid, gid = (struct.unpack_from("<I", body, at)[0] for at in (0, 68, 76, 80))
        own = ATTRIBUTES[ino]
        if valid & 1:
            own[2] = stat.S_IFMT(own[2]) | stat.S_IMODE(mode)
        if valid & 2:
            own[0] = uid
        if valid & 4:
            own[1] = gid
        answer(unique, struct.pack("<QII", 0, 0, 0) + attributes(ino))
    elif opcode == READLINK:
        answer(unique, b"/etc")
    elif opcode == STATFS:
        answer(unique, struct.pack("<QQQQQIIIIIIIIII", 9, 9, 9, 9, 9, 4096, 255, 4096, *[0] * 7))
    elif opcode == OPENDIR and volume == "squash":
        answer(unique, error=13)
    elif opcode == OPENDIR:
        answer(unique, struct.pack("<QII", 1, 0, 0))
    elif opcode in (READDIR, RELEASE, RELEASEDIR):
        answer(unique)
    elif opcode == DESTROY:
        answer(unique)
        os._exit(0)
    elif opcode not in (FORGET, BATCH_FORGET):
        answer(unique, error=38)
