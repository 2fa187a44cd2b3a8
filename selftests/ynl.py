#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's own netlink client, driven by uapi/bindlink.yaml, as a second
# client: what the specification says is what the module does.  Prints TAP.

import os
import shutil
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CACHE = os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))
KSRC = os.environ.get("KSRC", CACHE + "/bindlink/src/linux-source-6.12")


class Differs(Exception):
    pass


def expect(what, wanted, seen):
    if wanted != seen:
        raise Differs(f"{what}: expected {wanted!r}, seen {seen!r}")


def ctl(*arguments):
    subprocess.run(["bindlinkctl", *arguments], check=True, timeout=120)


def device():
    """Device number of the one tree that is mounted, as the family has it."""
    with open("/proc/self/mountinfo") as mounts:
        for line in mounts:
            if " - bindlink " in line:
                major, minor = line.split()[2].split(":")
                return int(major) << 32 | int(minor)
    return None


class Tests:
    def __init__(self, ynl, error, work):
        self.ynl = ynl
        self.error = error
        self.v = work + "/v"
        self.b = work + "/b"
        self.none = work + "/none"

    def refused(self, operation, request):
        """Refused, with a message or with the attribute that is missing."""
        try:
            answer = self.ynl.do(operation, request)
        except self.error as refusal:
            said = refusal.nl_msg.extack or {}
            if "msg" not in said and "miss-type" not in said:
                raise Differs(f"{operation} {request}: no message") from None
            return refusal.error
        raise Differs(f"{operation} {request} gives {answer}")

    def test_AP1_plan(self):
        answer = self.ynl.do("link-plan",
                             {"virtual": self.v, "backing": self.b})
        expect("virtual", self.v, answer["virtual"])
        expect("backing", self.b, answer["backing"])
        expect("carrier", "path", answer["carrier"])
        expect("carrier-path", self.v, answer["carrier-path"])
        expect("links", [], self.ynl.dump("link-get", {}))

    def test_AP1_get_and_dump(self):
        ctl("create", self.v, self.b)
        answer = self.ynl.do("link-get", {"virtual": self.v})
        expect("virtual", self.v, answer["virtual"])
        expect("backing", self.b, answer["backing"])
        expect("flags", set(), set(answer["flags"]))
        expect("dev", device(), answer["dev"])
        expect("links", [answer], self.ynl.dump("link-get", {}))
        ctl("remove", self.v)
        expect("links", [], self.ynl.dump("link-get", {}))

    def test_AP1_resolve(self):
        ctl("create", self.v, self.b)
        answer = self.ynl.do("resolve", {"path": self.v + "/x"})
        expect("real-path", self.b + "/x", answer["real-path"])
        expect("virtual", self.v, answer["virtual"])
        answer = self.ynl.do("resolve", {"path": self.b})
        expect("real-path", self.b, answer["real-path"])
        if "virtual" in answer:
            raise Differs(f"a link for a path without one: {answer}")
        ctl("remove", self.v)

    def test_AP1_notifications(self):
        listener = type(self.ynl)(self.ynl.def_path)
        listener.ntf_subscribe("links")
        ctl("create", self.v, self.b)
        ctl("remove", self.v)
        for _ in range(600):
            listener.check_ntf()
            if len(listener.async_msg_queue) >= 2:
                break
            time.sleep(0.1)
        seen = [(event["name"], event["msg"].get("virtual"))
                for event in listener.async_msg_queue]
        expect("events", [("link-new-ntf", self.v),
                          ("link-del-ntf", self.v)], seen)

    def test_AP1_hold_alone_removes_nothing(self):
        ctl("create", self.v, self.b)
        holder = type(self.ynl)(self.ynl.def_path)
        answer = holder.do("link-hold", {"virtual": self.v})
        expect("carrier-path", self.v, answer["carrier-path"])
        self.refused("link-hold", {"virtual": self.v})
        self.refused("link-del", {"virtual": self.v})
        # What holds it goes away, and somebody else may remove it.
        holder.sock.close()
        expect("links", 1, len(self.ynl.dump("link-get", {})))
        ctl("remove", self.v)

    def test_AP1_refusals(self):
        for operation, request in (
            ("link-get", {"virtual": self.none}),
            ("link-get", {}),
            ("link-plan", {"virtual": self.v}),
            ("link-plan", {"backing": self.b}),
            ("link-plan", {"virtual": "/", "backing": self.b}),
            ("link-plan", {"virtual": self.v, "backing": self.none}),
            ("link-plan", {"virtual": self.v, "backing": self.b,
                           "flags": 0x100}),
            ("link-new", {"virtual": self.v, "backing": self.b,
                          "tree-fd": 0}),
            ("link-new", {"virtual": self.v, "backing": self.b,
                          "tree-fd": -1}),
            ("link-hold", {"virtual": self.none}),
            ("link-del", {"virtual": self.v}),
            ("resolve", {}),
            ("resolve", {"path": "relative"}),
        ):
            self.refused(operation, request)
        expect("links", [], self.ynl.dump("link-get", {}))


def main():
    print("TAP version 13")
    if not os.path.exists(KSRC + "/tools/net/ynl/lib/ynl.py"):
        print(f"1..0 # SKIP no kernel source at {KSRC}")
        return 4
    sys.path.append(KSRC + "/tools/net/ynl")
    # Nothing is to be written to the kernel's tree.
    sys.dont_write_bytecode = True
    from lib import NlError, YnlFamily

    work = tempfile.mkdtemp(dir=os.environ.get("BINDLINK_EXT4", "/scratch"))
    names = [name for name in dir(Tests) if name.startswith("test_")]
    print(f"1..{len(names)}", flush=True)
    failed = 0
    try:
        # The schema is looked for beside the folder of the specification.
        os.makedirs(work + "/netlink/specs")
        shutil.copy(KSRC + "/Documentation/netlink/genetlink.yaml",
                    work + "/netlink/")
        spec = shutil.copy(TOP + "/uapi/bindlink.yaml",
                           work + "/netlink/specs/")
        os.mkdir(work + "/v")
        os.mkdir(work + "/b")
        with open(work + "/b/x", "w") as file:
            file.write("backing\n")
        ynl = YnlFamily(spec)
        ynl.def_path = spec
        tests = Tests(ynl, NlError, work)
        for number, name in enumerate(names, 1):
            try:
                getattr(tests, name)()
                print(f"ok {number} {name[5:]}", flush=True)
            except (Differs, NlError, KeyError,
                    subprocess.SubprocessError) as wrong:
                failed += 1
                for line in f"{type(wrong).__name__}: {wrong}".split("\n"):
                    print("#", line)
                print(f"not ok {number} {name[5:]}", flush=True)
                subprocess.run(["bindlinkctl", "remove", work + "/v"],
                               stderr=subprocess.DEVNULL)
    finally:
        shutil.rmtree(work)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
