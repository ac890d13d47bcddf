"""What Cinder needs to make targets of the kernel's NVMe target, in the names it uses.

Debian has no such module, and neither has the Python package index. The kernel's interface is a tree of directories and
small files below /sys/kernel/config/nvmet: to make a directory is to make the thing, and a link exports a subsystem at a
port. Cinder makes its calls here in a process of its own that may do so.
"""

import os
import sys

ROOT = "/sys/kernel/config/nvmet"


class CFSError(Exception):
    pass


class CFSNotFound(CFSError):
    pass


class Node:
    """A directory of the tree. The mode `lookup` wants it to be there, `create` to be new, `any` makes it if needed."""

    def __init__(self, path, mode):
        self.path = path
        there = os.path.isdir(path)
        if mode == "lookup" and not there:
            raise CFSNotFound(f"there is no {path}")
        if mode == "create" and there:
            raise CFSError(f"there is a {path} already")
        if not there:
            os.mkdir(path)

    def get_attr(self, group, name):
        with open(f"{self.path}/{group}_{name}") as file:
            return file.read().strip()

    def set_attr(self, group, name, value):
        with open(f"{self.path}/{group}_{name}", "w") as file:
            file.write(str(value))

    def set_all(self, group, values):
        for name, value in values.items():
            self.set_attr(group, name, value)

    def delete(self):
        os.rmdir(self.path)


class Root(Node):
    def __init__(self):
        super().__init__(ROOT, "lookup")

    @property
    def subsystems(self):
        return [Subsystem(nqn) for nqn in os.listdir(f"{ROOT}/subsystems")]

    @property
    def ports(self):
        return [Port(portid) for portid in os.listdir(f"{ROOT}/ports")]


class Subsystem(Node):
    def __init__(self, nqn=None, mode="lookup"):
        self.nqn = nqn
        super().__init__(f"{ROOT}/subsystems/{nqn}", mode)

    @property
    def namespaces(self):
        return [Namespace(self, nsid) for nsid in os.listdir(f"{self.path}/namespaces")]

    @classmethod
    def setup(cls, values, err_func):
        made = Subsystem(values["nqn"], "create")
        made.set_all("attr", values.get("attr", {}))
        for namespace in values.get("namespaces", []):
            Namespace.setup(made, namespace, err_func)

    def delete(self):
        for namespace in self.namespaces:
            Namespace(self, namespace.nsid).delete()
        super().delete()


class Namespace(Node):
    MAX_NSID = 8192

    def __init__(self, subsystem, nsid=None, mode="lookup"):
        self.subsystem = subsystem
        self.nsid = int(nsid)
        super().__init__(f"{subsystem.path}/namespaces/{nsid}", mode)

    @classmethod
    def setup(cls, subsystem, values, err_func):
        made = Namespace(subsystem, values["nsid"], "create")
        made.set_all("device", values.get("device", {}))
        with open(f"{made.path}/enable", "w") as file:
            file.write(str(values.get("enable", 1)))


class Port(Node):
    def __init__(self, portid, mode="lookup"):
        self.portid = int(portid)
        super().__init__(f"{ROOT}/ports/{portid}", mode)

    @property
    def subsystems(self):
        return os.listdir(f"{self.path}/subsystems")

    @classmethod
    def setup(cls, root, values, err_func):
        made = Port(values["portid"], "create")
        made.set_all("addr", values.get("addr", {}))
        for nqn in values.get("subsystems", []):
            made.add_subsystem(nqn)

    def add_subsystem(self, nqn):
        os.symlink(f"{ROOT}/subsystems/{nqn}", f"{self.path}/subsystems/{nqn}")

    def remove_subsystem(self, nqn):
        os.unlink(f"{self.path}/subsystems/{nqn}")


class Host(Node):
    """Not made by Cinder, which lets any host in."""


class Referral(Node):
    """Not made by Cinder."""


class ANAGroup(Node):
    """Not made by Cinder."""


# Cinder has errors from a module within.
nvme = sys.modules[__name__]
