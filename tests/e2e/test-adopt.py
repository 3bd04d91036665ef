#!/usr/bin/env python3
"""mulliond is killed, and the next one takes over what runs.

Two real guests draw meanwhile. mullion starts mulliond, the first and every later one.
"""
import os
import resource
import signal
import time

from session import Session, memfds, qemu_lacks
from tap import Plan, check, run_plan, same, wait_until

GUESTS = "linux", "second"
BOOT_SECONDS = 120
MODE = "640x480"
KEY_SPACE = 57
ROUNDS = 20
# What of a guest no mulliond may change.
KEPT = ("state", "devicePid", "vmmPid", "sliceBase", "sliceLimit", "accel", "connected", "number")

plan = Plan()


def configure(session):
  session.configure("mullion", "[mullion]\nvram = 32M\n[desktop]\noutput = 1280x600\n")
  for name in GUESTS:
    session.configure_linux(name, size=MODE, vram="8M", memory="192M", stop_timeout="10s",
      input="virtio" if name == "linux" else "qmp")


def host_pid(session):
  """That of mulliond, or None."""
  return next((pid for pid, name in session.left_over().items() if name == "mulliond"), None)


def answers(session):
  wait_until(lambda: not session.ctl("list")[0], "mulliond answers", 20)


def replace_host(session):
  """Kills mulliond; mullion sees that and starts another."""
  pid = host_pid(session)
  os.kill(pid, signal.SIGKILL)
  wait_until(lambda: host_pid(session) not in (None, pid), "another mulliond starts", 20)
  answers(session)


def stop_compositor(session):
  """Until SIGCONT it starts no mulliond."""
  session.process.send_signal(signal.SIGSTOP)


def lasting(session):
  """What must be as it was."""
  guests = {}
  for name, guest in session.guests().items():
    guests[name] = {key: guest.get(key) for key in KEPT}
    guests[name]["memfds"] = memfds(guest["vmmPid"])
  rows = sorted(session.ask("table")["rows"], key=lambda row: row["guest"])
  return guests, rows, session.ask("vram")


def expect_lasting(session, before):
  try:
    wait_until(lambda: lasting(session) == before, "all is as it was", 10)
  except AssertionError:
    same(lasting(session), before, "what should be as it was")


def is_known(session):
  """The table knows all of its columns."""
  rows = session.ask("table")["rows"]
  return len(rows) == len(GUESTS) and all(row.get("pciAddress") for row in rows)


def descriptors(pid):
  return len(os.listdir(f"/proc/{pid}/fd"))


def types(session, guest, text, pattern):
  """Types a command into a guest's shell, and waits for what it writes."""
  since = session.mark(guest)
  session.do("focus", guest)
  session.input(f"type {text} > /dev/ttyS0\\n")
  return session.expect_serial(guest, pattern, since, 30)


def uptime(session, guest):
  return int(types(session, guest, "cut -d. -f1 /proc/uptime", r"^(\d+)$").group(1))


@plan.test("two guests start and draw")
def begin(session):
  session.start()
  wait_until(lambda: not session.ctl("windows")[0], "mullion answers", 20)
  answers(session)
  for name in GUESTS:
    session.do("start", name)
  for name in GUESTS:
    session.expect_serial(name, "^card " + MODE, seconds=BOOT_SECONDS)
    session.do("focus", name)
    session.input(f"key {KEY_SPACE}")
    session.expect_serial(name, "^guest: console", seconds=30)
    types(session, name, "echo Typed-$((6*7))", "^Typed-42")
  wait_until(lambda: is_known(session), "the table is complete", 20)
  soft, hard = resource.prlimit(host_pid(session), resource.RLIMIT_NOFILE)
  same(soft, hard, "how many descriptors mulliond may have: guests take many")


@plan.test("a restarted mulliond takes the guests over as they were")
def is_replaced(session):
  before = lasting(session)
  up, since = uptime(session, "linux"), time.monotonic()
  replace_host(session)
  expect_lasting(session, before)
  same({name: guest["shown"] for name, guest in session.guests().items()},
    {name: True for name in GUESTS}, "whether the guests are shown")
  passed = uptime(session, "linux") - up
  check(passed >= int(time.monotonic() - since) - 5, f"the guest's clock went on {passed} s only")
  for name in GUESTS:
    types(session, name, "echo After-$((6*7))", "^After-42")


@plan.test("however often mulliond is replaced, nothing is leaked")
def is_replaced_often(session):
  before = lasting(session)
  pids = [guest[key] for guest in before[0].values() for key in ("devicePid", "vmmPid")]
  def counts():
    return [descriptors(pid) for pid in pids + [host_pid(session)]]
  replace_host(session)
  expect_lasting(session, before)
  def settled():
    """The counts, once what mullionctl was told is over."""
    now = counts()
    time.sleep(0.2)
    return now if counts() == now else None
  first = wait_until(settled, "the descriptors stay as they are", 10)
  for _ in range(ROUNDS):
    replace_host(session)
    expect_lasting(session, before)
  wait_until(lambda: counts() == first, f"the descriptors are {first}", 10)
  types(session, "linux", "echo Often-$((6*7))", "^Often-42")


@plan.test("a device that dies after that is replaced, as any is")
def device_is_replaced(session):
  pid = session.guest("linux")["devicePid"]
  os.kill(pid, signal.SIGKILL)
  wait_until(lambda: session.guest("linux").get("devicePid") not in (None, pid),
    "the device is replaced", 10)
  wait_until(lambda: session.guest("linux")["shown"], "it is shown again", 10)
  session.expect_keys("linux")
  types(session, "linux", "echo Replaced-$((6*7))", "^Replaced-42")
  replace_host(session)
  types(session, "linux", "echo Again-$((6*7))", "^Again-42")


@plan.test("what was taken over stops in order")
def stops(session):
  session.do("stop", "linux")
  session.expect_state("linux", "off", 40)
  check("reason" not in session.guest("linux"), "there is a reason")
  same([piece["guest"] for piece in session.ask("vram")["slices"]], ["second"], "the slices")


@plan.test("a guest whose device died while no mulliond ran is ended, with the reason")
def device_dies_alone(session):
  pid = session.guest("second")["devicePid"]
  stop_compositor(session)
  os.kill(host_pid(session), signal.SIGKILL)
  os.kill(pid, signal.SIGKILL)
  wait_until(lambda: pid not in session.left_over(), "the device is gone", 10)
  session.process.send_signal(signal.SIGCONT)
  wait_until(lambda: host_pid(session), "another mulliond starts", 20)
  answers(session)
  session.expect_state("second", "failed", 60)
  check("mullion-device" in session.guest("second")["reason"], "it gives another reason")
  same(session.ask("vram")["slices"], [], "the slices")


@plan.test("a signal to mulliond still stops the guests, and leaves nothing")
def ends(session):
  session.do("start", "linux")
  session.expect_state("linux", "running")
  replace_host(session)
  same(session.guest("linux")["state"], "running", "the guest")
  stop_compositor(session)
  os.kill(host_pid(session), signal.SIGTERM)
  wait_until(lambda: set(session.left_over().values()) == {"mullion"}, "all others end", 60)
  session.process.send_signal(signal.SIGCONT)


if __name__ == "__main__":
  run_plan(plan, Session, configure, lacking=qemu_lacks())
